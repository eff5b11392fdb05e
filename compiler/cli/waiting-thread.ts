import { workerData } from "node:worker_threads";
import { WaitingLine } from "./waiting-line.ts";

/* The thread that shows for how long a command has been at work. */
new WaitingLine(workerData as SharedArrayBuffer).run();
