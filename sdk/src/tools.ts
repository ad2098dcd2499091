/** Small things that several modules need. Nothing here touches the page when it is imported. */

export const bytes = (text: string): number => new TextEncoder().encode(text).length;

/** A random id of 32 hex digits. crypto.randomUUID exists only on secure pages. */
export const random = (): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (one) => one.toString(16).padStart(2, "0")).join("");

/** A short digest (djb2), to see whether something changed. */
export const digest = (text: string): string => {
  let sum = 5381;
  for (let at = 0; at < text.length; at++) sum = ((sum * 33) ^ text.charCodeAt(at)) >>> 0;
  return sum.toString(36);
};

/** The same, but what goes wrong in it never becomes the page's own error. */
export const quiet =
  <Given extends unknown[], Got>(call: (...given: Given) => Got) =>
  (...given: Given): Got | undefined => {
    try {
      return call(...given);
    } catch (error) {
      console.warn("arrivals:", error);
      return undefined;
    }
  };

/** Collects what must be undone at the end: listeners, timers, patches. */
export class Undo {
  private steps: (() => void)[] = [];

  add(step: () => void): void {
    this.steps.push(step);
  }

  listen(target: EventTarget, types: string, listener: (event: any) => void, options?: AddEventListenerOptions): void {
    const safe = quiet(listener);
    for (const type of types.split(" ")) {
      target.addEventListener(type, safe, options);
      this.add(() => target.removeEventListener(type, safe, options));
    }
  }

  every(ms: number, step: () => void): void {
    const timer = setInterval(step, ms);
    this.add(() => clearInterval(timer));
  }

  run(): void {
    for (const step of this.steps.splice(0).reverse()) step();
  }
}
