// Run by `node --test`, without a browser and without a build.
import assert from "node:assert/strict";
import { test } from "node:test";
import { clean, pageName } from "../src/addresses.ts";
import { FIRST_WAIT_MS, LONGEST_WAIT_MS, seconds, wait } from "../src/sender.ts";
import { captures, masks, respects } from "../src/switches.ts";
import { bytes, digest, random, Undo } from "../src/tools.ts";
import { campaign } from "../src/who.ts";

test("the wait after a failure doubles up to five minutes, and no two tabs come at once", () => {
  assert.equal(wait(1, 0, 1), FIRST_WAIT_MS);
  assert.equal(wait(1, 0, 0), FIRST_WAIT_MS / 2);
  assert.equal(wait(4, 0, 1), 8 * FIRST_WAIT_MS);
  assert.equal(wait(50, 0, 1), LONGEST_WAIT_MS);
  assert.ok(new Set(Array.from({ length: 50 }, () => wait(3, 0))).size > 40);
});

test("the server's Retry-After is never undercut", () => {
  assert.equal(wait(1, 7_000, 1), 7_000);
  assert.equal(seconds("7"), 7);
  assert.equal(seconds(new Date(10_000).toUTCString(), 4_000), 6);
  for (const nothing of [null, "", "soon", "-5", new Date(0).toUTCString()]) assert.equal(seconds(nothing, 4_000), 0);
  assert.equal(seconds("999999"), 3_600);
});

const ADDRESSES: [string, string][] = [
  ["https://a.example/x?q=lamp&page=2#part", "https://a.example/x?q=lamp&page=2#part"],
  ["https://ada:pw@a.example/", "https://a.example/"],
  ["https://a.example/?access_token=1&q=2", "https://a.example/?access_token=masked&q=2"],
  ["https://a.example/?to=ada%40example.com", "https://a.example/?to=masked"],
  ["https://a.example/#/reset?token=abc&step=2", "https://a.example/#/reset?token=masked&step=2"],
  ["https://a.example/#access_token=abc", "https://a.example/#access_token=abc"],
  ["not an address", ""],
  ["", ""],
];
for (const [given, told] of ADDRESSES)
  test(`the address ${JSON.stringify(given)} is told as ${JSON.stringify(told)}`, () => assert.equal(clean(given), told));

test("a page is called by its path, and by the route of a fragment", () => {
  assert.equal(pageName("https://a.example/cart?x=1#part"), "/cart");
  assert.equal(pageName("https://a.example/#/cart/2?x=1"), "/#/cart/2");
  assert.equal(pageName("https://a.example/app#!cart"), "/app#!cart");
});

test("the stricter of the page's options and the source's switches holds", () => {
  const off = { autocapture: { click: false }, mask_text: true, respect_dnt: true };
  const on = { autocapture: { click: true }, mask_text: false, respect_dnt: false };
  assert.equal(captures("click", {}, null), true);
  assert.equal(captures("click", { autocapture: true }, off), false);
  assert.equal(captures("click", { autocapture: false }, on), false);
  assert.equal(captures("page", { autocapture: { click: false } }, on), true);
  assert.deepEqual([masks({}, null), masks({}, on), masks({ maskText: true }, on), masks({ maskText: false }, off)], [true, false, true, true]);
  assert.deepEqual([respects({}, null), respects({}, on), respects({ respectDnt: true }, on)], [true, false, true]);
});

test("a campaign is what utm_ parameters say", () => {
  assert.deepEqual(campaign("https://a.example/?utm_source=news&utm_medium=&x=1&utm_term=a%20b"), { utm_source: "news", utm_term: "a b" });
  assert.deepEqual(campaign("nowhere"), {});
});

test("small things", () => {
  assert.equal(bytes("aü€"), 6);
  assert.match(random(), /^[0-9a-f]{32}$/);
  assert.notEqual(random(), random());
  assert.notEqual(digest("a"), digest("b"));
  const undo = new Undo();
  const order: number[] = [];
  undo.add(() => order.push(1));
  undo.add(() => order.push(2));
  undo.run();
  undo.run();
  assert.deepEqual(order, [2, 1]);
});
