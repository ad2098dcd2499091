/** The agent as a package: import arrivals from "arrivals-agent". */

import { Agent } from "./agent.ts";
import type { Arrivals, Options } from "./types.ts";

export type * from "./types.ts";

const agent = new Agent();
const initialize = agent.initialize;
agent.initialize = (options: Options) => {
  // Where the surveys and the picker, when they are loaded, find it.
  (window as unknown as { arrivals: Arrivals }).arrivals = agent;
  initialize(options);
};

export const arrivals: Arrivals = agent;
export default arrivals;
