import type { HttpBindings } from "@hono/node-server";
import { Hono, type Context } from "hono";
import { answer, chats, completions, type Endpoint } from "./endpoint.ts";
import { failureOf, invalid, stopped, stopping, type Failure } from "./failure.ts";
import type { Service } from "./service.ts";
import type { Visit } from "./visit.ts";

interface Env {
  readonly Bindings: HttpBindings;
  readonly Variables: { visit: Visit };
}

type Route = (context: Context<Env>) => Response | Promise<Response>;

/** The routes. Whatever goes wrong is answered in the form of OpenAI's errors. */
export function appOf(service: Service): Hono<Env> {
  const app = new Hono<Env>();
  app.use(async (context, next) => {
    context.set("visit", service.begin(context.env.outgoing));
    await next();
  });
  app.use("/v1/*", async (context, next) => {
    service.checkKey(context.req.header("authorization"));
    await next();
  });
  for (const [method, path, route] of routes(service)) {
    app.on(method, path, route);
    app.all(path, ({ req }) => {
      throw notAllowed(req.method, method);
    });
  }
  app.notFound(({ req }) => {
    throw invalid(`There is no ${req.method} ${req.path}.`, "unknown_url", undefined, 404);
  });
  app.onError((error, { var: { visit } }) => refusal(error, visit));
  return app;
}

function routes(service: Service): readonly (readonly ["GET" | "POST", string, Route])[] {
  const { names, model, began, places } = service;
  const object = (name: string): object => ({
    ...{ id: name, object: "model", created: began, owned_by: "tfc" },
    ...(name === names.base ? {} : { parent: names.base }),
    ...(model.contextLength === null ? {} : { max_model_len: model.contextLength }),
  });
  const asked =
    (endpoint: Endpoint): Route =>
    ({ req, var: { visit } }) => {
      if (service.isStopping()) throw stopping();
      return answer(service, visit, req.raw, endpoint);
    };
  return [
    [
      "GET",
      "/health",
      () => {
        if (service.isStopping()) throw stopping();
        if (service.hasFailed()) throw stopped();
        return Response.json({ status: "ok", answers: places.taken, ...model.load });
      },
    ],
    ["GET", "/v1/models", () => Response.json({ object: "list", data: names.all.map(object) })],
    [
      "GET",
      "/v1/models/:model{.+}",
      ({ req }) => {
        const name = req.param("model") ?? "";
        names.check(name);
        return Response.json(object(name));
      },
    ],
    ["POST", "/v1/chat/completions", asked(chats)],
    ["POST", "/v1/completions", asked(completions)],
  ];
}

function notAllowed(found: string, wanted: string): Failure {
  const failure = invalid(
    `${found} is not allowed here; use ${wanted}.`,
    "method_not_allowed",
    undefined,
    405,
  );
  return failure.with({ allow: wanted });
}

/** The answer to a request that failed. What it had begun ends. */
function refusal(error: Error, visit: Visit): Response {
  const failure = failureOf(visit.signal.aborted ? visit.signal.reason : error);
  if (failure.status >= 500) visit.blame(error);
  visit.end(failure);
  return Response.json(failure.body, { status: failure.status, headers: failure.fields.headers ?? {} });
}
