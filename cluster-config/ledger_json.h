/* A ledger entry as the API shows it, turned back into the record whose canonical bytes were
 * hashed. What an auditor does with another tool is this and statemachine/record.h, action.h. */
#ifndef FLORIN_LEDGER_JSON_H
#define FLORIN_LEDGER_JSON_H

#include <jansson.h>

#include "statemachine/action.h"

/* Fills *r from the entry; its slices borrow from the entry's strings. 0, or -1 with the fault
 * naming the field. Members that it does not know are left aside: they are not in the canonical
 * bytes, so the hash does not vouch for them. Pure. */
int ledger_record_from_json(const json_t *entry, struct record *r, struct fault *fault);

/* The same for an action of GET /v1/audit. */
int ledger_action_from_json(const json_t *entry, struct action *a, struct fault *fault);

#endif
