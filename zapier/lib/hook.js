'use strict';

const { api } = require('./http');

/** The parts of an instant trigger on an event of Arrivals. ``about`` names what is watched. */
const hook = (event, about) => ({
  type: 'hook',
  performSubscribe: async (z, bundle) =>
    (
      await z.request({
        method: 'POST',
        url: api(bundle, '/hooks'),
        body: { target_url: bundle.targetUrl, event, ...about(bundle.inputData) },
      })
    ).data,
  performUnsubscribe: async (z, bundle) => {
    const id = encodeURIComponent(bundle.subscribeData.id);
    const response = await z.request({
      method: 'DELETE',
      url: api(bundle, `/hooks/${id}`),
      skipThrowForStatus: true,
    });
    return { status: response.status };
  },
  perform: (z, bundle) => [bundle.cleanedRequest],
});

module.exports = { hook };
