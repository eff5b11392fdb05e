import { error, warning } from "./row.ts";

/** Messages about serving a model. */
export const servingCodes = {
  SERVE_ADDRESS: error((p: { address: string; why: string }) => ({
    what: `the server cannot listen on ${p.address}`,
    wanted: "an address of this machine, and a port that is free",
    found: p.why,
    fix: "give another `port`, or 0 for any that is free; correct `host`",
  })),
  SERVE_OPEN: warning((p: { host: string }) => ({
    what: `whoever reaches ${p.host} can use the model: it is not an address of this machine alone, and there is no key`,
    fix: "set the environment variable TFC_API_KEY, or leave `host` at 127.0.0.1",
  })),
  SERVE_NAME: error((p: { name: string }) => ({
    what: `two models are called ${JSON.stringify(p.name)}`,
    wanted: "a name of its own for the base and for each adapter",
    found: "one name twice",
    fix: "give the base another `name`, or rename the adapter's file or folder",
  })),
  SERVE_ADAPTERS: error((p: { folder: string; why: string }) => ({
    what: `there are no adapters for this model in ${p.folder}`,
    wanted: "a folder with adapters in it, each a file or a folder",
    found: p.why,
    fix: "correct the path; `tfc adapter ls` says what is in a file",
  })),
  SERVE_ADAPTER_UNFIT: warning((p: { why: string }) => ({
    what: "this is not served: the model cannot use it",
    found: p.why,
    fix: "take it out of the folder, or serve it with a model that it fits; `tfc adapter ls` says what is in it",
  })),
} as const;
