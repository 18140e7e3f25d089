// The README's first settled reservation, and a refusal, with the types that openapi-typescript makes of the document.
//
// Compiled and run by tests/clients/check_clients.py with the address and a key. What must not compile is marked: the types are not `any`.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import createClient from "openapi-fetch";
import type { components, paths } from "./purser.js";

type Answers = paths["/api/v1/usage/reservations"]["post"]["responses"];
type Denial = Answers[402]["content"]["application/json"];
type Reservation = components["schemas"]["ReservationShape"];

const [baseUrl, key] = process.argv.slice(2);
const purser = createClient<paths>({ baseUrl: baseUrl!, headers: { Authorization: `Bearer ${key}` } });

async function firstReservation(): Promise<void> {
  const who = await purser.GET("/api/v1/whoami");
  assert.equal(who.data?.parentOrganizationId, null);

  const before = await purser.GET("/api/v1/credits");
  assert.ok(before.data);
  assert.equal(before.data.subscriptionTier, null);
  assert.ok(new Date(before.data.currentPeriod.end) > new Date());

  const { data: held } = await reserve(12.5);
  assert.ok(held);
  const unsettled: number | null = held.settledCredits;
  assert.equal(unsettled, null);
  assert.equal(held.requestedModel, null);
  // @ts-expect-error: it may be null
  const model: string = held.requestedModel;
  // @ts-expect-error: there is no such field
  const color = held.color;
  assert.deepEqual([model, color], [null, undefined]);

  const settled = await purser.POST("/api/v1/usage/reservations/{rsv_id}/settle", {
    params: { path: { rsv_id: held.id } },
    body: { credits: 9.75 },
  });
  const status: Reservation["status"] | undefined = settled.data?.status;
  assert.equal(status, "settled");
  assert.equal(settled.data?.settledCredits, 9.75);

  const entries = await purser.GET("/api/v1/credits/events", { params: { query: { limit: 1 } } });
  assert.equal(entries.data?.items[0]?.credits, -9.75);
}

async function refusal(): Promise<void> {
  const { error, response } = await reserve(50000);
  assert.equal(response.status, 402);
  const denial = error as Denial;
  assert.equal(denial.error.code, "BILLING_EXHAUSTED");
  const { affordableCredits, affordableOutputTokens, limits, unblocksAt } = denial.error.details;
  const until: string | null = unblocksAt;
  assert.equal(affordableCredits, 90.25);
  assert.equal(affordableOutputTokens, null);
  assert.deepEqual(limits.filter((limit) => limit.binding).map((limit) => limit.scope), ["pool"]);
  assert.ok(until === null || new Date(until) > new Date());
  // @ts-expect-error: a denial has no such detail
  assert.equal(denial.error.details.color, undefined);
}

async function dates(): Promise<void> {
  const now = Date.now();
  const told = await purser.POST("/api/v1/usage/events", {
    body: {
      events: [{ source: "clients", id: randomUUID(), credits: 1, occurredAt: new Date(now).toISOString() }],
    },
  });
  assert.equal(told.data?.results[0]?.status, "accepted");

  const hour = 3_600_000;
  const query = { since: new Date(now - hour).toISOString(), until: new Date(now + hour).toISOString() };
  const events = await purser.GET("/api/v1/usage/events", { params: { query } });
  assert.equal(events.data?.items.length, 2);
  assert.equal(events.data?.nextCursor, null);
  assert.equal(events.data?.items[0]?.reservationId, null);
}

function reserve(credits: number) {
  return purser.POST("/api/v1/usage/reservations", {
    params: { header: { "Idempotency-Key": randomUUID() } },
    body: { estimatedCredits: credits, expiresInSeconds: 300 },
  });
}

await firstReservation();
await refusal();
await dates();
