/* Only async-signal-safe calls in here. The kernel knows what is mapped where, so the handler asks
 * it (/proc/self/maps): nothing has to be kept at hand for it, however many stores are open. */
#include "node/crash.h"

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "node/node.h"

enum { LINE_BYTES = 1280, NUMBER_BASE = 16 };

static const char state_file[] = "/data.mdb";

/* The number in hex at *at; leaves *at behind it. */
static uintptr_t number(const char **at)
{
    uintptr_t value = 0;

    for (;; (*at)++) {
        char c = **at;

        if (c >= '0' && c <= '9') {
            value = value * NUMBER_BASE + (uintptr_t)(c - '0');
        } else if (c >= 'a' && c <= 'f') {
            value = value * NUMBER_BASE + (uintptr_t)(c - 'a') + 10;
        } else {
            return value;
        }
    }
}

/* The file of a line "START-END rwxp OFFSET DEVICE INODE    /PATH" when `address` is in it and it
 * is a state's; or NULL. */
static const char *state_of(const char *line, size_t len, uintptr_t address)
{
    const char *path = memchr(line, '/', len);
    const char *at = line;
    uintptr_t from = number(&at);
    uintptr_t to;

    if (*at++ != '-' || path == NULL) {
        return NULL;
    }
    to = number(&at);
    if (address < from || address >= to || len < sizeof state_file - 1 ||
        memcmp(line + len - (sizeof state_file - 1), state_file, sizeof state_file - 1) != 0) {
        return NULL;
    }
    return path;
}

/* One line of `fd` without its end; false at the end of the file. Byte by byte: nobody waits. */
static bool read_line(int fd, char line[LINE_BYTES], size_t *len)
{
    char c;

    *len = 0;
    while (read(fd, &c, 1) == 1) {
        if (c == '\n') {
            line[*len] = '\0';
            return true;
        }
        if (*len < LINE_BYTES - 1) {
            line[(*len)++] = c;
        }
    }
    return false;
}

static void say(const char *path, size_t len)
{
    static const char before[] = "level=fatal room=node msg=\"the state file ";
    static const char after[] =
        " is damaged, was cut off, or its disk is failing: look at the disk, then rebuild this "
        "node from the others: remove it, add a new node id, see docs/operations.md\"\n";
    struct iovec parts[] = {
        {(void *)(uintptr_t)before, sizeof before - 1},
        {(void *)(uintptr_t)path, len},
        {(void *)(uintptr_t)after, sizeof after - 1},
    };
    ssize_t ignored = writev(STDERR_FILENO, parts, 3);

    (void)ignored; /* there is nobody left to tell */
}

/* Two threads may well meet the damage at the same time: the signal keeps its handler until it is
 * known to be none of ours. Then the same instruction comes again, and ends the process as ever. */
static void on_signal(int signal_number, siginfo_t *info, void *context)
{
    char line[LINE_BYTES];
    size_t len;
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);

    (void)context;
    while (fd >= 0 && read_line(fd, line, &len)) {
        const char *path = state_of(line, len, (uintptr_t)info->si_addr);

        if (path != NULL) {
            say(path, len - (size_t)(path - line));
            _exit(EXIT_FATAL);
        }
    }
    signal(signal_number, SIG_DFL);
}

void crash_install(void)
{
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};

    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, NULL);
    sigaction(SIGSEGV, &action, NULL);
}
