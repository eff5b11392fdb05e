export { roleOf, type Role } from "../../compiler/ops/ports/roles.ts";
