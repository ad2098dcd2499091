'use strict';

const { api } = require('./lib/http');

module.exports = {
  type: 'custom',
  fields: [
    {
      key: 'url',
      label: 'Address of Arrivals',
      type: 'string',
      required: true,
      helpText: 'Such as `https://arrivals.example.com`: what you see in the browser, up to the first slash.',
    },
    {
      key: 'key',
      label: 'Integration Key',
      type: 'password',
      required: true,
      helpText: 'An admin makes one in Arrivals on the page Keys. Instant triggers and actions need write access.',
    },
  ],
  test: async (z, bundle) => (await z.request({ url: api(bundle, '/token') })).data,
  connectionLabel: '{{account}}',
};
