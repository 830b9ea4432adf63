/* florinctl: one command, one answer, one exit code.
 *
 * A table holds the commands: their words, how many arguments they take, which of the options, and
 * whose key they use. An option that a command does not take is refused, not ignored. */
#include "cluster-config/ctl.h"

#include <getopt.h>
#include <sodium.h>
#include <string.h>

#include "cluster-config/pki.h"
#include "cluster-config/value.h"

enum { TIMEOUT_MAX_MS = 3600000, WAIT_MAX_MS = 7 * 24 * 3600000 };

enum option_id {
    OPTION_ENDPOINTS = 1,
    OPTION_KEY,
    OPTION_KEY_FILE,
    OPTION_AS,
    OPTION_JSON,
    OPTION_TIMEOUT,
    OPTION_CA,
    OPTION_HELP,
    OPTION_VERSION,
    /* From here on: only where the command says so. */
    OPTION_STALE,
    OPTION_ROUND,
    OPTION_GAME,
    OPTION_SESSION,
    OPTION_BET,
    OPTION_KIND,
    OPTION_LIMIT,
    OPTION_FROM,
    OPTION_BEFORE,
    OPTION_VERIFY,
    OPTION_IF_MISSING,
    OPTION_CREDENTIAL_FILE,
    OPTION_PLAYER,
    OPTION_IDS_SCOPE,
    OPTION_FORCE,
    OPTION_DAYS,
    OPTION_ONCE,
    OPTION_WAIT,
    OPTION_RESTART_COMMAND,
    OPTION_UNTIL,
};

#define BIT(option) (UINT64_C(1) << (option))
#define PLAY        (BIT(OPTION_ROUND) | BIT(OPTION_GAME) | BIT(OPTION_SESSION))

struct command_entry {
    const char *first, *second; /* second is NULL for a command of one word */
    const char *usage;
    int min_args, max_args;
    uint64_t options;
    enum ctl_role role;
    ctl_command_fn *run;
    const char *help;
};

static const struct command_entry commands[] = {
    {"cluster", "status", "", 0, 0, 0, CTL_OPERATOR, ctl_cluster_status,
     "every endpoint's node: state, term, leader, commit, applied, ready"},
    {"cluster", "transfer", "[NODE_ID]", 0, 1, 0, CTL_OPERATOR, ctl_cluster_transfer,
     "hand leadership over, to NODE_ID or to whoever is furthest"},
    {"cluster", "add", "NODE_ID ADDRESS", 2, 2, 0, CTL_OPERATOR, ctl_cluster_add,
     "a new node, reached by the others at ADDRESS (host:port); it gets the ledger, and has no "
     "vote"},
    {"cluster", "promote", "NODE_ID [--wait TIME]", 1, 1, BIT(OPTION_WAIT), CTL_OPERATOR,
     ctl_cluster_promote, "give it a vote, once it has caught up"},
    {"cluster", "demote", "NODE_ID", 1, 1, 0, CTL_OPERATOR, ctl_cluster_demote,
     "take its vote; it goes on getting the ledger, as a standby"},
    {"cluster", "remove", "NODE_ID", 1, 1, 0, CTL_OPERATOR, ctl_cluster_remove,
     "it stops, and its id is never used again; a leader hands over first"},
    {"cluster", "replace", "OLD_ID NEW_ID ADDRESS [--wait TIME]", 3, 3, BIT(OPTION_WAIT),
     CTL_OPERATOR, ctl_cluster_replace,
     "add the new, promote it once it has caught up, remove the old; goes on where it stopped"},
    {"cluster", "rolling-restart", "--restart-command CMD [--wait TIME]", 0, 0,
     BIT(OPTION_WAIT) | BIT(OPTION_RESTART_COMMAND), CTL_OPERATOR, ctl_cluster_rolling_restart,
     "run CMD for each node, with {id} and {address} filled in, the leader's last; each must be\n"
     "      back and caught up before the next"},
    {"top", NULL, "[--once]", 0, 0, BIT(OPTION_ONCE), CTL_OPERATOR, ctl_top,
     "the cluster at work, every second: rates, latencies, queues, lag, members; q ends;\n"
     "      --once: one second of it, for scripts"},
    {"bet", NULL, "ID PLAYER CURRENCY AMOUNT [--round R] [--game G] [--session S]", 4, 4, PLAY,
     CTL_PROVIDER, ctl_bet, "take AMOUNT from the player"},
    {"win", NULL, "ID PLAYER CURRENCY AMOUNT [--bet ID] [--kind KIND] [--round R] ...", 4, 4,
     PLAY | BIT(OPTION_BET) | BIT(OPTION_KIND), CTL_PROVIDER, ctl_win,
     "pay AMOUNT to the player; KIND: win, jackpot, promo, freespin"},
    {"rollback", NULL, "ID PLAYER CURRENCY ORIGINAL", 4, 4, 0, CTL_PROVIDER, ctl_rollback,
     "reverse the bet or win ORIGINAL"},
    {"deposit", NULL, "ID PLAYER CURRENCY AMOUNT GATEWAY", 5, 5, 0, CTL_PLATFORM, ctl_deposit,
     "money that came in through GATEWAY"},
    {"withdrawal", "add", "ID PLAYER CURRENCY AMOUNT GATEWAY", 5, 5, 0, CTL_PLATFORM,
     ctl_withdrawal_add, "hold AMOUNT until the withdrawal is confirmed or cancelled"},
    {"withdrawal", "confirm", "ID [AMOUNT]", 1, 2, 0, CTL_PLATFORM, ctl_withdrawal_confirm,
     "it went out, all of it or AMOUNT; with the key of who made it"},
    {"withdrawal", "cancel", "ID", 1, 1, 0, CTL_PLATFORM, ctl_withdrawal_cancel,
     "it will not go out"},
    {"balance", NULL, "PLAYER [--stale]", 1, 1, BIT(OPTION_STALE), CTL_PLATFORM, ctl_balance,
     "what the player has, by currency"},
    {"history", NULL, "PLAYER [--limit N] [--before SEQ] [--stale]", 1, 1,
     BIT(OPTION_LIMIT) | BIT(OPTION_BEFORE) | BIT(OPTION_STALE), CTL_PLATFORM, ctl_history,
     "the player's transactions, newest first"},
    {"transaction", NULL, "ID [--player PLAYER] [--stale]", 1, 1,
     BIT(OPTION_PLAYER) | BIT(OPTION_STALE), CTL_PROVIDER, ctl_transaction,
     "what became of ID, which the key's principal sent; --player where its ids are\n"
     "      unique for each player only"},
    {"ledger", NULL, "[--from SEQ] [--limit N] [--stale] | --verify [--stale]", 0, 0,
     BIT(OPTION_FROM) | BIT(OPTION_LIMIT) | BIT(OPTION_STALE) | BIT(OPTION_VERIFY), CTL_PLATFORM,
     ctl_ledger, "the ledger's entries; --verify recomputes chain, balances and sums"},
    {"currency", "add", "CODE [SCALE] [--if-missing]", 1, 2, BIT(OPTION_IF_MISSING), CTL_OPERATOR,
     ctl_currency_add, "SCALE: digits after the point, 0 to 9, default 5"},
    {"provider", "add", "ID [--ids-scope SCOPE] [--if-missing]", 1, 1,
     BIT(OPTION_IDS_SCOPE) | BIT(OPTION_IF_MISSING), CTL_OPERATOR, ctl_provider_add,
     "a game provider; SCOPE, fixed for ever: `provider` (its transactions' ids are\n"
     "      unique for all of it; the default) or `player` (for each player only)"},
    {"gateway", "add", "ID [--ids-scope SCOPE] [--if-missing]", 1, 1,
     BIT(OPTION_IDS_SCOPE) | BIT(OPTION_IF_MISSING), CTL_OPERATOR, ctl_gateway_add,
     "a payment gateway"},
    {"player", "add", "ID [CURRENCY...] [--if-missing]", 1, 17, BIT(OPTION_IF_MISSING),
     CTL_PLATFORM, ctl_player_add, "a player, for these currencies only if any are given"},
    {"player", "show", "ID", 1, 1, 0, CTL_PLATFORM, ctl_player_show,
     "status, limits and their use"},
    {"player", "status", "ID STATUS [--until TIME]", 2, 2, BIT(OPTION_UNTIL), CTL_PLATFORM,
     ctl_player_status,
     "STATUS: active, blocked, self_excluded; TIME such as 2027-01-31T00:00:00Z"},
    {"player", "limit", "ID KIND PERIOD CURRENCY AMOUNT|none", 5, 5, 0, CTL_PLATFORM,
     ctl_player_limit, "KIND: deposit, stake, loss; PERIOD: day, week, month"},
    {"session", "show", "ID", 1, 1, 0, CTL_PLATFORM, ctl_session_show, "whose, since when, until"},
    {"session", "close", "ID", 1, 1, 0, CTL_PLATFORM, ctl_session_close, "no more bets in it"},
    {"provider", "show", "ID", 1, 1, 0, CTL_OPERATOR, ctl_provider_show, "its policy"},
    {"provider", "disable", "ID", 1, 1, 0, CTL_OPERATOR, ctl_provider_disable,
     "its keys are answered 403"},
    {"provider", "enable", "ID", 1, 1, 0, CTL_OPERATOR, ctl_provider_enable, "they count again"},
    {"gateway", "show", "ID", 1, 1, 0, CTL_OPERATOR, ctl_gateway_show, "its policy"},
    {"gateway", "disable", "ID", 1, 1, 0, CTL_OPERATOR, ctl_gateway_disable,
     "its keys are answered 403"},
    {"gateway", "enable", "ID", 1, 1, 0, CTL_OPERATOR, ctl_gateway_enable, "they count again"},
    {"key", "disable", "KEY_ID", 1, 1, 0, CTL_OPERATOR, ctl_key_disable, "it opens nothing more"},
    {"key", "enable", "KEY_ID", 1, 1, 0, CTL_OPERATOR, ctl_key_enable, "it counts again"},
    {"key", "add", "PRINCIPAL ROLE [--credential-file FILE] [--if-missing]", 2, 2,
     BIT(OPTION_CREDENTIAL_FILE) | BIT(OPTION_IF_MISSING), CTL_OPERATOR, ctl_key_add,
     "ROLE: provider, gateway, platform, operator, auditor; a new secret is shown once,\n"
     "      or KEYID.SECRET is taken from FILE"},
    {"audit", NULL, "[--before NUMBER | --from NUMBER] [--limit N] [--stale] | --verify", 0, 0,
     BIT(OPTION_BEFORE) | BIT(OPTION_FROM) | BIT(OPTION_LIMIT) | BIT(OPTION_STALE) |
         BIT(OPTION_VERIFY),
     CTL_OPERATOR, ctl_audit,
     "who changed what, when, from where, newest first; --from: oldest first; --verify\n"
     "      recomputes their chain, and how the ledger's holds them"},
    {"backup", NULL, "FILE [--force] [--stale]", 1, 1, BIT(OPTION_FORCE) | BIT(OPTION_STALE),
     CTL_OPERATOR, ctl_backup,
     "the whole ledger, as of now, into FILE; --stale: what the node has, without a majority"},
    {"verify", NULL, "[FILE] [--stale]", 0, 1, BIT(OPTION_STALE), CTL_OPERATOR, ctl_verify,
     "audit the backup FILE, here; or, without one, have a node audit what it has"},
    {"restore", NULL, "FILE --config NODE.conf [--config NODE.conf]...", 0, 0, 0, CTL_NOBODY, NULL,
     "make the data folders of a new cluster's nodes from the backup FILE; offline"},
    {"recover", NULL, "--config NODE.conf [--other NODE:TERM/INDEX] ...", 0, 0, 0, CTL_NOBODY, NULL,
     "at a survivor of a cluster that lost its majority: say what is there; with\n"
     "      --cluster-id NAME --yes, make it the first node of a new cluster; offline"},
    {"pki", "init", "DIR CLUSTER_ID [--force]", 2, 2, BIT(OPTION_FORCE), CTL_NOBODY, ctl_pki_init,
     "an authority for the cluster's links; DIR/ca.key belongs on no node"},
    {"pki", "issue", "DIR NODE_ID|NAME HOST... [--days N] [--force]", 3, 2 + PKI_HOSTS_MAX,
     BIT(OPTION_DAYS) | BIT(OPTION_FORCE), CTL_NOBODY, ctl_pki_issue,
     "a node's certificate and key, or, with a NAME, one for an HTTPS server"},
    {"pki", "renew", "DIR NAME [--days N]", 2, 2, BIT(OPTION_DAYS), CTL_NOBODY, ctl_pki_renew,
     "the same names, a new key, from today on; NAME is such as node-1"},
    {"pki", "show", "FILE", 1, 1, 0, CTL_NOBODY, ctl_pki_show,
     "what a certificate says, and how long it holds"},
};
enum { COMMANDS = sizeof commands / sizeof commands[0] };

static const struct option long_options[] = {
    {"endpoints", required_argument, NULL, OPTION_ENDPOINTS},
    {"key", required_argument, NULL, OPTION_KEY},
    {"key-file", required_argument, NULL, OPTION_KEY_FILE},
    {"as", required_argument, NULL, OPTION_AS},
    {"json", no_argument, NULL, OPTION_JSON},
    {"timeout", required_argument, NULL, OPTION_TIMEOUT},
    {"ca", required_argument, NULL, OPTION_CA},
    {"help", no_argument, NULL, OPTION_HELP},
    {"version", no_argument, NULL, OPTION_VERSION},
    {"stale", no_argument, NULL, OPTION_STALE},
    {"round", required_argument, NULL, OPTION_ROUND},
    {"game", required_argument, NULL, OPTION_GAME},
    {"session", required_argument, NULL, OPTION_SESSION},
    {"bet", required_argument, NULL, OPTION_BET},
    {"kind", required_argument, NULL, OPTION_KIND},
    {"limit", required_argument, NULL, OPTION_LIMIT},
    {"from", required_argument, NULL, OPTION_FROM},
    {"before", required_argument, NULL, OPTION_BEFORE},
    {"verify", no_argument, NULL, OPTION_VERIFY},
    {"if-missing", no_argument, NULL, OPTION_IF_MISSING},
    {"credential-file", required_argument, NULL, OPTION_CREDENTIAL_FILE},
    {"player", required_argument, NULL, OPTION_PLAYER},
    {"ids-scope", required_argument, NULL, OPTION_IDS_SCOPE},
    {"force", no_argument, NULL, OPTION_FORCE},
    {"days", required_argument, NULL, OPTION_DAYS},
    {"once", no_argument, NULL, OPTION_ONCE},
    {"wait", required_argument, NULL, OPTION_WAIT},
    {"restart-command", required_argument, NULL, OPTION_RESTART_COMMAND},
    {"until", required_argument, NULL, OPTION_UNTIL},
    {NULL, 0, NULL, 0},
};

static void help(void)
{
    puts("usage: florinctl [OPTIONS] COMMAND\n\ncommands:");
    for (size_t i = 0; i < COMMANDS; i++) {
        const struct command_entry *c = &commands[i];
        printf("  %s%s%s %s\n      %s\n", c->first, c->second != NULL ? " " : "",
               c->second != NULL ? c->second : "", c->usage, c->help);
    }
    puts(
        "\noptions:\n"
        "  --endpoints URL[,URL...]  the nodes; default $FLORIN_ENDPOINTS\n"
        "  --key KEYID.SECRET        the credential; default $FLORIN_KEY, then by the command\n"
        "                            $FLORIN_PROVIDER_KEY, _PLATFORM_KEY or _OPERATOR_KEY\n"
        "  --key-file FILE           the same from a file (mode 600)\n"
        "  --as ROLE                 provider, platform or operator: which of those three\n"
        "  --ca FILE                 the authority of https endpoints; default $FLORIN_CA, then\n"
        "                            the system's\n"
        "  --json                    the answer's JSON instead of a table\n"
        "  --timeout TIME            of a call, such as 500ms or 10s (the default)\n"
        "  --wait TIME               for a node to catch up or come back, 10min by default\n"
        "  --help, --version\n"
        "\n"
        "A node that can't be reached or answers 503 or 504 is followed by the next one; the same\n"
        "id is sent again, which is always safe: an id is decided once, for ever.\n"
        "\n"
        "exit codes:\n"
        "  0  done\n"
        "  1  refused for a business reason, not found, or the ledger does not verify\n"
        "  2  the command line or an argument is wrong\n"
        "  3  no node could answer; nothing was applied\n"
        "  4  outcome unknown: it may have been applied; repeat with the same id\n"
        "  5  credentials are missing, wrong, or may not do this");
}

static int number_option(const char *name, const char *text, uint64_t *out)
{
    if (value_number(slice_of(text), out) != 0 || *out < 1 || *out > INT64_MAX) {
        return ctl_fail(CTL_USAGE, "--%s is \"%s\"; expected a number from 1 on", name, text);
    }
    return CTL_OK;
}

static int time_option(const char *name, const char *text, uint64_t max_ms, uint64_t *out_ms)
{
    if (value_duration(slice_of(text), out_ms) != 0 || *out_ms < 1 || *out_ms > max_ms) {
        return ctl_fail(CTL_USAGE, "--%s is \"%s\"; expected a time such as 500ms or 10s", name,
                        text);
    }
    return CTL_OK;
}

/* The text options: where each goes; NULL for the others. */
static const char **text_option(struct ctl_options *o, int id)
{
    switch (id) {
    case OPTION_ENDPOINTS:
        return &o->endpoints;
    case OPTION_KEY:
        return &o->key;
    case OPTION_KEY_FILE:
        return &o->key_file;
    case OPTION_AS:
        return &o->as;
    case OPTION_ROUND:
        return &o->round;
    case OPTION_GAME:
        return &o->game;
    case OPTION_SESSION:
        return &o->session;
    case OPTION_BET:
        return &o->bet;
    case OPTION_KIND:
        return &o->kind;
    case OPTION_CREDENTIAL_FILE:
        return &o->credential_file;
    case OPTION_PLAYER:
        return &o->player;
    case OPTION_IDS_SCOPE:
        return &o->ids_scope;
    case OPTION_DAYS:
        return &o->days;
    case OPTION_CA:
        return &o->ca;
    case OPTION_RESTART_COMMAND:
        return &o->restart_command;
    case OPTION_UNTIL:
        return &o->until;
    default:
        return NULL;
    }
}

static bool *flag_option(struct ctl_options *o, int id)
{
    switch (id) {
    case OPTION_JSON:
        return &o->json;
    case OPTION_STALE:
        return &o->stale;
    case OPTION_VERIFY:
        return &o->verify;
    case OPTION_IF_MISSING:
        return &o->if_missing;
    case OPTION_FORCE:
        return &o->force;
    case OPTION_ONCE:
        return &o->once;
    default:
        return NULL;
    }
}

static int take_option(struct ctl_options *o, int id)
{
    const char **text = text_option(o, id);
    bool *flag = flag_option(o, id);

    if (text != NULL) {
        *text = optarg;
        return CTL_OK;
    }
    if (flag != NULL) {
        *flag = true;
        return CTL_OK;
    }
    switch (id) {
    case OPTION_LIMIT:
        return number_option("limit", optarg, &o->limit);
    case OPTION_FROM:
        return number_option("from", optarg, &o->from);
    case OPTION_BEFORE:
        return number_option("before", optarg, &o->before);
    case OPTION_TIMEOUT:
        return time_option("timeout", optarg, TIMEOUT_MAX_MS, &o->timeout_ms);
    case OPTION_WAIT:
        return time_option("wait", optarg, WAIT_MAX_MS, &o->wait_ms);
    default:
        return CTL_USAGE; /* getopt has said which option it does not know */
    }
}

static const struct command_entry *find(char **words, int n)
{
    for (size_t i = 0; i < COMMANDS; i++) {
        const struct command_entry *c = &commands[i];
        if (n >= 1 && strcmp(words[0], c->first) == 0 &&
            (c->second == NULL || (n >= 2 && strcmp(words[1], c->second) == 0))) {
            return c;
        }
    }
    return NULL;
}

/* Everything that florinctl sends is an id, an amount or a name: plain text. */
static bool plain(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        for (const char *c = argv[i]; *c != '\0'; c++) {
            if (*c < 0x20 || *c == 0x7f) {
                return false;
            }
        }
    }
    return true;
}

static int run(struct ctl *ctl, const struct command_entry *c, char **args, int n_args)
{
    int rc;

    if (c->role == CTL_NOBODY ||
        (c->run == ctl_verify && n_args == 1)) { /* a file is verified here */
        return c->run(ctl, args, n_args);
    }
    rc = ctl_endpoints_resolve(ctl);
    if (rc == CTL_OK) {
        rc = ctl_key_resolve(ctl, c->role);
    }
    if (rc == CTL_OK) {
        rc = ctl_http_open(ctl);
    }
    if (rc == CTL_OK) {
        rc = c->run(ctl, args, n_args);
        ctl_http_close(ctl);
    }
    sodium_memzero(ctl->key, sizeof ctl->key);
    return rc;
}

int main(int argc, char **argv)
{
    struct ctl ctl = {.options.timeout_ms = 10000, .options.wait_ms = 600000};
    uint64_t given = 0;
    int id;

    if (!plain(argc, argv)) {
        return ctl_fail(CTL_USAGE, "an argument holds bytes that are not plain ASCII");
    }
    if (ctl_is_offline(argc, argv)) {
        return ctl_offline(argc, argv);
    }
    while ((id = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
        if (id == OPTION_HELP || id == 'h') {
            help();
            return CTL_OK;
        }
        if (id == OPTION_VERSION) {
            puts("florinctl " FLORIN_VERSION);
            return CTL_OK;
        }
        if (take_option(&ctl.options, id) != CTL_OK) {
            return CTL_USAGE;
        }
        given |= id >= OPTION_STALE ? BIT(id) : 0;
    }
    char **words = argv + optind;
    int n = argc - optind;
    const struct command_entry *c = find(words, n);
    if (c == NULL || c->run == NULL) { /* the latter come first, or not at all */
        return ctl_fail(CTL_USAGE, "%s%s; `florinctl --help` lists the commands",
                        n == 0 ? "no command" : "unknown command ", n == 0 ? "" : words[0]);
    }
    int n_words = c->second == NULL ? 1 : 2;
    if (n - n_words < c->min_args || n - n_words > c->max_args || (given & ~c->options) != 0) {
        return ctl_fail(CTL_USAGE, "usage: florinctl %s%s%s %s", c->first,
                        c->second != NULL ? " " : "", c->second != NULL ? c->second : "", c->usage);
    }
    if (sodium_init() < 0) {
        return ctl_fail(CTL_UNAVAILABLE, "libsodium could not be set up");
    }
    return run(&ctl, c, words + n_words, n - n_words);
}
