export default {
  testEnvironment: "./test/support/environment.js",
  globalSetup: "./test/support/build.js",
  testSequencer: "./test/support/sequencer.js",
  testMatch: ["<rootDir>/test/**/*.test.ts"],
  extensionsToTreatAsEsm: [".ts"],
  transform: {
    "^.+\\.ts$": [
      "@swc/jest",
      {
        jsc: {
          target: "es2022",
          parser: { syntax: "typescript" },
          experimental: { keepImportAttributes: true },
        },
        module: { type: "es6" },
      },
    ],
  },
  modulePathIgnorePatterns: ["<rootDir>/dist/"],
  maxWorkers: 2,
  testTimeout: 120000,
};
