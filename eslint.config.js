import js from "@eslint/js";
import { importX } from "eslint-plugin-import-x";
import tseslint from "typescript-eslint";

/** The house, from the roof down: a folder imports from those below it, and from itself. */
const layers = [
  "compiler/cli",
  "compiler/report",
  "compiler/plugin",
  "compiler/testing",
  "compiler/config",
  "compiler/compile",
  "compiler/bindings",
  "passes",
  "runtime",
  "compiler/autodiff",
  "compiler/recognize",
  "compiler/weights",
  "compiler/adapters",
  "compiler/ops",
  "compiler/sites",
  "compiler/pass",
  "compiler/text",
  "compiler/onnx",
  "compiler/ir",
  "compiler/diagnostics",
];

const above = layers.flatMap((target, i) =>
  layers.slice(0, i).map((from) => ({
    target: `./${target}`,
    from: `./${from}`,
    message: `${target}/ lies below ${from}/ in the house (ARCHITECTURE.md)`,
  })),
);

const zones = [
  ...above,
  { target: "./passes", from: "./runtime", message: "passes/ and runtime/ never see each other" },
];

export default tseslint.config(
  { ignores: ["dist/**", "node_modules/**", "out/**", "samples/models/**"] },
  js.configs.recommended,
  {
    files: ["**/*.ts", "**/*.tsx"],
    extends: [...tseslint.configs.strictTypeChecked, ...tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      "@typescript-eslint/restrict-template-expressions": [
        "error",
        { allowNumber: true, allowBoolean: true },
      ],
      "@typescript-eslint/consistent-type-definitions": ["error", "interface"],
      "@typescript-eslint/switch-exhaustiveness-check": [
        "error",
        { considerDefaultExhaustiveForUnions: true },
      ],
      "@typescript-eslint/no-unnecessary-type-parameters": "off",
      "max-lines": ["error", { max: 400, skipBlankLines: true, skipComments: true }],
    },
  },
  {
    files: ["**/*.js", "**/*.mjs"],
    languageOptions: {
      globals: {
        process: "readonly",
        console: "readonly",
        URL: "readonly",
        Buffer: "readonly",
        performance: "readonly",
      },
    },
  },
  {
    // Handlers of events give nothing, and markup is long.
    files: ["compiler/report/page/**/*.tsx"],
    rules: {
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      "max-lines-per-function": ["error", { max: 70, skipBlankLines: true, skipComments: true }],
    },
  },
  {
    files: ["samples/web/*.js"],
    languageOptions: {
      globals: {
        document: "readonly",
        location: "readonly",
        FormData: "readonly",
        URLSearchParams: "readonly",
      },
    },
  },
  {
    files: ["compiler/**/*.ts", "compiler/**/*.tsx", "passes/**/*.ts", "runtime/**/*.ts"],
    plugins: { "import-x": importX },
    rules: { "import-x/no-restricted-paths": ["error", { basePath: import.meta.dirname, zones }] },
  },
  {
    // Readers and writers of messages still have switches over all fields.
    files: ["compiler/**/*.ts", "passes/**/*.ts", "runtime/**/*.ts"],
    ignores: ["compiler/onnx/**"],
    rules: { "max-lines-per-function": ["error", { max: 50, skipBlankLines: true, skipComments: true }] },
  },
  {
    // Of a path through a file, or a circle of links, statSync throws all the same.
    files: ["compiler/compile/package/**/*.ts", "runtime/**/*.ts"],
    rules: {
      "no-restricted-syntax": [
        "error",
        { selector: "Property[key.name='throwIfNoEntry']", message: "take lookAt of onnx/open-failure.ts" },
      ],
    },
  },
  {
    files: ["compiler/**/*.ts", "passes/**/*.ts", "runtime/**/*.ts"],
    ignores: ["compiler/ir/rewriter.ts", "compiler/ir/edits.ts"],
    rules: {
      "@typescript-eslint/no-restricted-imports": [
        "error",
        {
          patterns: [
            { group: ["**/mutable.ts"], message: "ir/rewriter.ts, with its edits.ts, is the only writer" },
          ],
        },
      ],
    },
  },
);
