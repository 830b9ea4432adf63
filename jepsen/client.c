#include "jepsen/client.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "jepsen/run.h"

enum { TRIES = 4, REFUSED_PAUSE_US = 50000, FIRST_NODE_ID = 1 };

static const char *const endings[] = {[END_UNKNOWN] = "info", [END_OK] = "ok", [END_FAIL] = "fail"};

static uint64_t page_end(const struct op *op, const json_t *value)
{
    return op->f == FN_LEDGER ? (uint64_t)json_integer_value(json_object_get(value, "last")) : 0;
}

struct answer_seen client_call(struct client *c, const struct op *op, unsigned node)
{
    struct run *run = c->run;
    struct answer_seen seen = {.end = END_UNKNOWN};
    json_t *invoked = op_invoked(op, node + FIRST_NODE_ID);
    json_t *body = op_body(op);
    char *text = body == NULL ? NULL : json_dumps(body, JSON_COMPACT);
    json_t *answer = NULL;
    json_t *ended;
    char path[OP_PATH_MAX];
    char url[URL_MAX];
    long status;

    op_path(op, path);
    cluster_url(&run->cluster, (int)node, url, "%s", path);
    recorder_line(&run->recorder, recorder_now_ns(&run->recorder), c->process, "invoke",
                  fn_name(op->f), invoked);
    status = http_call(&c->http, op_method(op), url,
                       op_key(op) == KEY_PLATFORM ? run->cluster.platform_key
                                                  : run->cluster.provider_key,
                       text, &answer);
    uint64_t now_ns = recorder_now_ns(&run->recorder);
    seen.end = op_ended(op, node + FIRST_NODE_ID, status, !c->http.reached, answer, c->http.applied,
                        &ended);
    recorder_line(&run->recorder, now_ns, c->process, endings[seen.end], fn_name(op->f), ended);
    seen.applied = seen.end == END_OK && !fn_is_read(op->f);
    seen.last = page_end(op, ended);
    if (seen.applied) {
        atomic_fetch_add(&run->acknowledged[node], 1);
    }
    if (seen.end == END_UNKNOWN) {
        c->process += run->options.clients;
        http_reset(&c->http);
    }
    atomic_fetch_add(&run->ended[seen.end], 1);
    json_decref(answer);
    json_decref(ended);
    json_decref(invoked);
    json_decref(body);
    free(text);
    return seen;
}

struct answer_seen client_settle(struct client *c, const struct op *op)
{
    struct answer_seen seen = {.end = END_UNKNOWN};
    unsigned i;

    for (i = 0; i < TRIES && !atomic_load(&c->run->stop); i++) {
        seen = client_call(c, op, client_node(c));
        if (seen.end == END_OK) {
            c->done[c->n_done++ % REMEMBERED] = *op;
            break;
        }
        if (seen.end == END_FAIL) {
            usleep(REFUSED_PAUSE_US); /* a dead node refuses at once */
            if (chance_in(&c->chance, 1, 2)) {
                break;
            }
        }
    }
    return seen;
}

const struct op *client_remembered(struct client *c)
{
    size_t n = c->n_done < REMEMBERED ? c->n_done : REMEMBERED;

    return n == 0 ? NULL : &c->done[chance_below(&c->chance, (unsigned)n)];
}

unsigned client_node(struct client *c)
{
    return (unsigned)run_any_node(c->run, &c->chance);
}

void client_new_id(struct client *c, const char *name, char id[static OP_TEXT_MAX])
{
    snprintf(id, OP_TEXT_MAX, "%s-%u-%" PRIu64, name, c->number, ++c->made);
}

void client_amount(struct client *c, unsigned most, char amount[static OP_TEXT_MAX])
{
    snprintf(amount, OP_TEXT_MAX, "%u.%02u", chance_below(&c->chance, most),
             1 + chance_below(&c->chance, 99));
}
