'use strict';

const visitor = {
  id: 'ada',
  member: 'ada',
  entered_at: '2026-01-31T12:00:00.000Z',
  entry: 1,
  visitor: { id: 'ada', agent: { email: 'ada@example.com', plan: 'pro' } },
  account: { id: 'acme' },
  row: { visitor_id: 'ada', account_id: 'acme' },
};
const account = {
  id: 'acme',
  member: 'acme',
  entered_at: '2026-01-31T12:00:00.000Z',
  entry: 1,
  account: { id: 'acme', agent: { size: 50 } },
  row: { account_id: 'acme' },
};
const { entered_at: left_at, ...rest } = visitor;
const departure = { ...rest, id: 'ada:1', left_at };
const response = {
  id: '3c5b7e1f',
  survey: 'nps',
  score: 9,
  reason: 'It saves me an hour a day.',
  class: 'promoter',
  visitor_id: 'ada',
  account_id: 'acme',
  at: '2026-01-31T12:00:00.000Z',
};
const delivery = (event, report, sample) => ({ ...sample, event, report });

module.exports = { visitor, account, departure, response, delivery };
