import { answerParent } from "../../runtime/threads/processes.ts";
import { worked } from "./work.ts";

/* The process that compiles for a build. */
answerParent(worked);
