/* A power cut (jepsen/power.h) loses what was not synced, all of it and nothing else.
 *
 * usage: test_power FLORIND FLORINCTL     (power.so lies in jepsen/ beside florind) */
#define _GNU_SOURCE 1 /* fallocate */

#include <fcntl.h>
#include <glob.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "jepsen/power.h"

enum { LIMIT_S = 60, INTERRUPTED_WRITES = 20000 };

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "FAILED: line %d: %s\n", __LINE__, #condition);                        \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static int make(const char *name, int flags, const char *text)
{
    int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | flags, 0600);

    CHECK(fd >= 0);
    CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    return fd;
}

/* In the folder, with power.so: what is synced first, then what is not; then it waits for the end.
 */
static int victim(void)
{
    int folder = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int file = make("file", 0, "synced");
    int removed = make("removed", 0, "removed");
    int renamed = make("renamed", 0, "renamed");
    int replaced = make("replaced", 0, "replaced");
    int direct = make("direct", O_DSYNC, "direct");

    CHECK(fsync(file) == 0 && fdatasync(removed) == 0 && fsync(renamed) == 0);
    CHECK(fsync(replaced) == 0 && fsync(direct) == 0 && fsync(folder) == 0);

    CHECK(pwrite(direct, "D", 1, 0) == 1); /* O_DSYNC: stays */
    CHECK(pwrite(file, "S", 1, 0) == 1);
    CHECK(write(file, ", and more", 10) == 10);
    CHECK(ftruncate(file, 3) == 0 && fallocate(file, 0, 0, 8192) == 0);
    CHECK(unlink("removed") == 0);
    CHECK(rename("renamed", "replaced") == 0);
    make("created", 0, "created");
    CHECK(write(STDOUT_FILENO, "r", 1) == 1);
    for (;;) {
        pause();
    }
}

static void in_handler(int signal)
{
    (void)signal;
    CHECK(write(STDOUT_FILENO, "", 0) == 0);
}

/* Signals come while files are written, and their handlers write to a pipe, as libuv's do: no lock
 * that the one holds may be waited for by the other. */
static int interrupted(void)
{
    const struct itimerval often = {{0, 50}, {0, 50}};
    int file = make("busy", 0, "");
    int i;

    alarm(LIMIT_S / 2); /* a deadlock ends here */
    signal(SIGPROF, in_handler);
    CHECK(setitimer(ITIMER_PROF, &often, NULL) == 0);
    for (i = 0; i < INTERRUPTED_WRITES; i++) {
        CHECK(pwrite(file, "b", 1, 0) == 1);
        CHECK(i % 64 != 0 || fdatasync(file) == 0);
    }
    return 0;
}

static void expect(const char *folder, const char *name, const char *text)
{
    char path[PATH_MAX];
    char found[64] = "";
    int fd;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (text == NULL) {
        CHECK(fd < 0);
        return;
    }
    CHECK(fd >= 0);
    CHECK(read(fd, found, sizeof found - 1) == (ssize_t)strlen(text));
    if (strcmp(found, text) != 0) {
        fprintf(stderr, "FAILED: %s holds '%s', not '%s'\n", name, found, text);
        exit(1);
    }
    close(fd);
}

static pid_t start(const char *self, const char *what, const char *library, const char *folder,
                   const char *fifo, int *said)
{
    int pipe_fds[2];
    pid_t pid;

    CHECK(pipe(pipe_fds) == 0);
    pid = fork();
    if (pid == 0) {
        CHECK(chdir(folder) == 0);
        dup2(pipe_fds[1], STDOUT_FILENO);
        setenv("LD_PRELOAD", library, 1);
        setenv(POWER_DISK, folder, 1);
        setenv(POWER_FIFO, fifo, 1);
        execl(self, self, what, (char *)NULL);
        _exit(127);
    }
    close(pipe_fds[1]);
    *said = pipe_fds[0];
    return pid;
}

static void cut(const char *fifo, pid_t pid)
{
    struct power_message m = {POWER_CUT, 0};
    int status;
    int fd = open(fifo, O_WRONLY | O_CLOEXEC);

    CHECK(fd >= 0 && write(fd, &m, sizeof m) == sizeof m);
    close(fd);
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    while ((fd = open(fifo, O_WRONLY | O_NONBLOCK | O_CLOEXEC)) >= 0) {
        close(fd);
        usleep(1000); /* its disk is not yet as the cut left it */
    }
}

/* With libfaketime behind it, as the suite loads it; where that is not installed, without. */
static void survive_signals(const char *self, const char *power, const char *folder,
                            const char *fifo)
{
    char libraries[2 * PATH_MAX];
    glob_t found;
    int said, status;
    bool faketime = glob("/usr/lib/*/faketime/libfaketimeMT.so.1", 0, NULL, &found) == 0;
    pid_t pid;

    snprintf(libraries, sizeof libraries, "%s%s%s", power, faketime ? ":" : "",
             faketime ? found.gl_pathv[0] : "");
    pid = start(self, "interrupted", libraries, folder, fifo, &said);
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    globfree(&found);
}

int main(int argc, char **argv)
{
    const char *tmp = getenv("TMPDIR");
    char folder[PATH_MAX - 32], fifo[PATH_MAX], library[PATH_MAX], self[PATH_MAX],
        command[PATH_MAX];
    char florind[PATH_MAX], ready;
    pid_t pid;
    int said;

    if (argc == 2 && strcmp(argv[1], "victim") == 0) {
        return victim();
    }
    if (argc == 2 && strcmp(argv[1], "interrupted") == 0) {
        return interrupted();
    }
    CHECK(argc >= 2 && realpath(argv[1], florind) != NULL && realpath(argv[0], self) != NULL);
    alarm(LIMIT_S);
    snprintf(library, sizeof library, "%.4000s/jepsen/power.so", dirname(florind));
    snprintf(folder, sizeof folder, "%s/florin-power-XXXXXX", tmp == NULL ? "/tmp" : tmp);
    CHECK(mkdtemp(folder) != NULL);
    snprintf(fifo, sizeof fifo, "%s/fifo", folder);
    CHECK(mkfifo(fifo, 0600) == 0);

    pid = start(self, "victim", library, folder, fifo, &said);
    CHECK(read(said, &ready, 1) == 1);
    cut(fifo, pid);
    expect(folder, "file", "synced");
    expect(folder, "direct", "Direct");
    expect(folder, "removed", "removed");
    expect(folder, "renamed", "renamed");
    expect(folder, "replaced", "replaced");
    expect(folder, "created", NULL);

    survive_signals(self, library, folder, fifo);
    snprintf(command, sizeof command, "rm -rf '%.4000s'", folder);
    CHECK(system(command) == 0);
    puts("a power cut loses what was not synced, and nothing else");
    return 0;
}
