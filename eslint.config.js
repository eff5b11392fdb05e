import js from "@eslint/js";
import tseslint from "typescript-eslint";

/** Which top-level folder (or part of it) may not be imported from which: the house of ARCHITECTURE.md. */
const layering = [
  {
    files: ["compiler/**/*.ts"],
    ignores: ["compiler/compile/compile.ts", "compiler/cli/**"],
    deny: [
      { group: ["**/passes/index.ts"], message: "only compile.ts and the cli know the list of passes" },
      { group: ["**/passes/*.ts"], message: "compiler/ never imports passes/" },
      { group: ["**/runtime/**"], message: "compiler/ never imports runtime/" },
      { group: ["**/ir/mutable.ts"], message: "ir/rewriter.ts is the only writer" },
    ],
  },
  {
    files: ["compiler/compile/compile.ts"],
    deny: [{ group: ["**/runtime/**"], message: "compiler/ never imports runtime/" }],
  },
  {
    files: ["passes/**/*.ts"],
    deny: [
      { group: ["**/runtime/**"], message: "passes/ import compiler/ only" },
      { group: ["**/ir/mutable.ts"], message: "ir/rewriter.ts is the only writer" },
    ],
  },
  {
    files: ["runtime/**/*.ts"],
    deny: [
      { group: ["**/passes/**"], message: "runtime/ does not compile" },
      {
        regex: "compiler/(?!weights/|adapters/|diagnostics/)",
        message: "runtime/ imports weights/, adapters/ and diagnostics/ only",
      },
    ],
  },
];

export default tseslint.config(
  { ignores: ["dist/**", "node_modules/**", "out/**", "samples/models/**"] },
  js.configs.recommended,
  {
    files: ["**/*.ts"],
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
  ...layering.map(({ files, ignores, deny }) => ({
    files,
    ...(ignores === undefined ? {} : { ignores }),
    rules: { "@typescript-eslint/no-restricted-imports": ["error", { patterns: deny }] },
  })),
);
