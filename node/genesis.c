#include "node/genesis.h"

#include <sodium.h>
#include <string.h>

#include "statemachine/outcome.h"
#include "statemachine/query.h"

enum { GENESIS_TIMEOUT_MS = 5000 };

int genesis_init(struct genesis *g, const char *path, struct gate *gate, struct reporter *reporter,
                 struct fault *fault)
{
    struct credential_text credential;

    memset(g, 0, sizeof *g);
    g->gate = gate;
    g->reporter = reporter;
    g->step = GENESIS_DONE;
    if (path[0] == '\0') {
        return 0;
    }
    if (config_read_credential_file(path, &credential, fault) != 0) {
        return -1;
    }
    memcpy(g->key, credential.key, sizeof g->key);
    crypto_generichash(g->secret_hash, sizeof g->secret_hash,
                       (const unsigned char *)credential.secret, strlen(credential.secret), NULL,
                       0);
    sodium_memzero(&credential, sizeof credential);
    g->step = GENESIS_IDLE;
    return 0;
}

void genesis_release(struct genesis *g)
{
    if (g->ticket != NULL) {
        ticket_give_up(g->ticket);
        ticket_release(g->ticket);
        g->ticket = NULL;
    }
}

static void hand_in(struct genesis *g, struct ticket *t, enum genesis_step step)
{
    if (gate_hand_in(g->gate, t, GENESIS_TIMEOUT_MS) != RESULT_OK) {
        ticket_release(t);
        g->step = GENESIS_IDLE;
        return;
    }
    g->ticket = t;
    g->step = step;
}

static void ask(struct genesis *g)
{
    struct query query = {.type = QUERY_HEAD, .limit = 1};
    struct ticket *t = ticket_new(TICKET_QUERY);

    query_encode(&query, &t->in);
    hand_in(g, t, GENESIS_ASKING);
}

static void create(struct genesis *g, uint64_t node_id)
{
    struct command command = {
        .type = COMMAND_KEY_CREATE,
        .name = slice_of(g->key),
        .principal = slice_of("operator"),
        .role = ROLE_OPERATOR,
        .secret_hash = g->secret_hash,
        .n_by = 1,
        .by = {{
            .principal = slice_of("florind"), /* by its configuration; nobody called */
            .key = slice_of("none"),
            .address = slice_of("none"),
            .request = slice_of("genesis"),
            .role = ROLE_OPERATOR,
            .node = node_id,
        }},
    };
    struct ticket *t = ticket_new(TICKET_COMMANDS);
    struct bytes encoded;

    randombytes_buf(&command.origin, sizeof command.origin);
    bytes_init(&encoded);
    command_encode(&command, &encoded);
    frame_append(&t->in, encoded.base, encoded.len);
    bytes_release(&encoded);
    t->n_commands = 1;
    hand_in(g, t, GENESIS_CREATING);
}

static void take_answer(struct genesis *g)
{
    enum ticket_result result = g->ticket->result;
    enum genesis_step step = g->step;
    struct gate_view view;

    ticket_release(g->ticket);
    g->ticket = NULL;
    g->step = GENESIS_IDLE;
    if (result != RESULT_OK) {
        g->refused = result == RESULT_NO_ROOM;
        return;
    }
    if (step == GENESIS_CREATING) {
        report(g->reporter, LEVEL_INFO, "node", "the first operator's key is in the ledger",
               "key=%s", g->key);
        g->step = GENESIS_DONE;
        return;
    }
    gate_view(g->gate, &view);
    if (view.directory_version != 0) {
        g->step = GENESIS_DONE;
    } else if (view.leader_id == view.node_id) {
        create(g, view.node_id);
    }
}

void genesis_advance(struct genesis *g)
{
    struct gate_view view;

    if (g->step == GENESIS_DONE || g->refused) {
        return;
    }
    if (g->ticket != NULL) {
        if (ticket_is_done(g->ticket)) {
            take_answer(g);
        }
        return;
    }
    gate_view(g->gate, &view);
    if (view.stopping) {
        g->step = GENESIS_DONE;
    } else if (view.leader_id == view.node_id && view.node_id != 0) {
        ask(g);
    }
}
