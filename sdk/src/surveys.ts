/**
 * Surveys: loaded by the agent when the server names one for this visitor.
 *
 * 1. Of the surveys that the server named, the first whose page this is waits for its delay and is shown, one at a time.
 * 2. It counts as shown (survey_shown) when it is really to be seen; the answer is sent at once (survey_answered), what
 *    is said to it in words by a second event; closing it without an answer is survey_shown with dismissed.
 * 3. A survey that somebody has not closed is there again on the next page of this tab, without being shown anew.
 * 4. After one was answered or closed the server is asked again some minutes later, and when another visitor is here.
 */

import { Card, type Survey } from "./survey-card.ts";
import { matches, type PageRule } from "./survey-pages.ts";
import { random } from "./tools.ts";
import type { Arrivals, Context } from "./types.ts";

interface Due extends Survey {
  pages: PageRule[];
  delay: number;
  recontact_days: number;
}

/** A showing: from its first sight until it is answered or closed, over all pages of a tab. */
interface Showing {
  survey: Due;
  id: string;
  shown: boolean;
  at: number;
}

const KEPT_MS = 30 * 60_000;
/** What another tab has just shown or got answered may not be known to the server yet. */
const NEWS_MS = 600_000;
export const PLACE = "arrivals:survey";

export function start(context: Context): () => void {
  const surveys = new Surveys(context);
  const ends = [
    context.onPage((url) => surveys.page(url)),
    context.onVisitor(() => surveys.visitor()),
    context.onShow((key) => surveys.show(key)),
  ];
  return () => {
    for (const end of ends) end();
    surveys.end();
  };
}

class Surveys {
  private readonly context: Context;
  private due: Due[];
  private url = "";
  private who: { visitor: string; anonymous: string };
  private current: Showing | null = null;
  private card: Card | null = null;
  private asked = 0;
  private pause = 300;
  private delay: ReturnType<typeof setTimeout> | undefined;
  private again: ReturnType<typeof setTimeout> | undefined;
  private unwatch: () => void = () => {};

  constructor(context: Context) {
    this.context = context;
    this.who = this.read();
    this.due = (context.surveys as Due[] | undefined) || [];
    this.current = this.kept();
    if (!this.due.length && !this.current) void this.ask();
  }

  /** The address is another (or the first). */
  page(url: string): void {
    this.url = url;
    if (this.card) {
      if (this.current && !this.card.touched && !matches(this.current.survey.pages, url)) this.hide();
    } else this.next();
  }

  /** Somebody else is here, or in another account. Who says who they are while they answer goes on answering. */
  visitor(): void {
    const [before, now] = [this.who, this.read()];
    this.who = now;
    const same = now.anonymous === before.anonymous;
    if (this.card && same && (now.visitor === before.visitor || (!before.visitor && this.card.touched))) return;
    this.hide();
    this.forget();
    this.due = [];
    void this.ask();
  }

  /** Show a survey now, on whatever page and to whomever: the page asks for it. */
  async show(key: string): Promise<void> {
    if (this.card) return;
    const [survey] = await this.told({ show: key });
    if (!survey) return console.warn(`arrivals: there is no live survey ${JSON.stringify(key)} in this source.`);
    if (this.card) return;
    clearTimeout(this.delay);
    this.current = { survey: { ...survey, pages: [] }, id: random(), shown: false, at: Date.now() };
    this.open();
  }

  end(): void {
    this.hide();
    this.forget();
    clearTimeout(this.again);
  }

  /** Let the first that belongs on this page wait for its time. */
  private next(): void {
    clearTimeout(this.delay);
    if (this.card) return;
    if (this.current) {
      if (matches(this.current.survey.pages, this.url)) this.open();
      return;
    }
    const survey = this.due.find((one) => matches(one.pages, this.url) && !this.justSeen(one));
    if (!survey) return;
    this.delay = setTimeout(() => {
      if (this.card || this.current || this.justSeen(survey)) return;
      this.current = { survey, id: random(), shown: false, at: Date.now() };
      this.open();
    }, survey.delay * 1_000);
  }

  private open(): void {
    const showing = this.current as Showing;
    const { survey, id } = showing;
    const own = { survey: survey.key, survey_id: survey.id, question: survey.texts.question, showing: id };
    const answered = (more: object) => {
      this.note(survey);
      this.context.emit("survey_answered", survey.key, { ...own, ...more });
    };
    let score: number | undefined;
    const card = new Card(survey, {
      answered: (given) => {
        score = given.score;
        this.seen(showing, own);
        answered(given);
        this.forget();
      },
      // Without the score: the response is the event that has it, and this is its reason.
      reasoned: (text) => answered({ reason: text, response: text, of_score: score }),
      closed: (done) => {
        if (!done) {
          this.seen(showing, own);
          this.context.emit("survey_shown", survey.key, { ...own, dismissed: true });
        }
        this.over();
      },
    });
    this.card = card;
    this.unwatch = whenVisible(card.element, () => this.seen(showing, own));
  }

  private seen(showing: Showing, own: { [name: string]: unknown }): void {
    this.unwatch();
    if (showing.shown) return;
    showing.shown = true;
    this.note(showing.survey);
    this.context.emit("survey_shown", showing.survey.key, own);
    try {
      sessionStorage.setItem(PLACE, JSON.stringify({ ...showing, visitor: this.context.visitor() }));
    } catch {
      // it is not there again on the next page
    }
  }

  private hide(): void {
    clearTimeout(this.delay);
    this.unwatch();
    this.card?.remove();
    this.card = null;
  }

  /** Answered or closed: no other one follows at once. */
  private over(): void {
    this.hide();
    this.forget();
    this.due = [];
    this.later();
  }

  private later(): void {
    clearTimeout(this.again);
    this.again = setTimeout(() => (document.visibilityState === "visible" ? void this.ask() : this.later()), this.pause * 1_000);
  }

  private async ask(): Promise<void> {
    const number = ++this.asked;
    const due = await this.told({});
    if (number !== this.asked) return;
    this.due = due;
    if (!due.length) this.later();
    this.next();
  }

  private async told(more: { [name: string]: string }): Promise<Due[]> {
    const { host, key } = this.context;
    const language = document.documentElement.lang || navigator.language;
    const query = new URLSearchParams({ key, visitor: this.context.visitor(), anonymous: this.context.anonymous(), language, ...more });
    try {
      const answer = await fetch(`${host}/v1/surveys?${query}`, { credentials: "omit" });
      if (!answer.ok) return [];
      const { surveys, again } = await answer.json();
      if (again > 0) this.pause = again;
      return surveys;
    } catch {
      return [];
    }
  }

  private read(): { visitor: string; anonymous: string } {
    return { visitor: this.context.visitor(), anonymous: this.context.anonymous() };
  }

  private kept(): Showing | null {
    try {
      const kept = JSON.parse(sessionStorage.getItem(PLACE) || "null");
      if (kept && kept.visitor === this.context.visitor() && Date.now() - kept.at < KEPT_MS) return kept;
      sessionStorage.removeItem(PLACE);
    } catch {
      // nothing is kept
    }
    return null;
  }

  private forget(): void {
    this.current = null;
    try {
      sessionStorage.removeItem(PLACE);
    } catch {
      // nothing was kept
    }
  }

  private place(survey: Survey): string {
    return `arrivals:${this.context.key.slice(-8)}:survey:${survey.key}`; // the agent deletes its own when asked to
  }

  private note(survey: Survey): void {
    try {
      localStorage.setItem(this.place(survey), String(Date.now()));
    } catch {
      // the server knows it in a moment
    }
  }

  private justSeen(survey: Due): boolean {
    try {
      return survey.recontact_days > 0 && Date.now() - Number(localStorage.getItem(this.place(survey))) < NEWS_MS;
    } catch {
      return false;
    }
  }
}

/** Calls once, when the element is inside of what can be seen of a page that is looked at; returns how to stop that. */
function whenVisible(element: HTMLElement, then: () => void): () => void {
  let inside = false;
  const look = () => inside && document.visibilityState === "visible" && (stop(), then());
  const observer = new IntersectionObserver((all) => {
    inside = all.some((one) => one.isIntersecting && one.intersectionRatio > 0.5);
    look();
  }, { threshold: [0, 0.51, 1] });
  const stop = () => {
    observer.disconnect();
    document.removeEventListener("visibilitychange", look);
  };
  observer.observe(element);
  document.addEventListener("visibilitychange", look);
  return stop;
}

/** For the page where a survey is made: how it will look, inside of an element. Closed, it is there again. */
export function preview(parent: HTMLElement, survey: Survey): () => void {
  let again: ReturnType<typeof setTimeout> | undefined;
  const events = { answered: () => {}, reasoned: () => {}, closed: () => (again = setTimeout(show, 500)) };
  let card: Card;
  const show = () => void (card = new Card(survey, events, parent, true));
  show();
  return () => (clearTimeout(again), card.remove());
}

const page = window as unknown as { arrivals?: Arrivals; arrivalsSurveys?: object };
if (page.arrivals?._extend) page.arrivals._extend("surveys", start);
else page.arrivalsSurveys = { preview, matches };
