#define _GNU_SOURCE /* execvp's search, readlink */
#include "cluster-config/ctl.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { PATH_BYTES = 4096, ARGUMENTS_MAX = 64 };

bool ctl_is_offline(int argc, char **argv)
{
    return argc > 1 && (strcmp(argv[1], "restore") == 0 || strcmp(argv[1], "recover") == 0);
}

/* florind from where florinctl itself is, as both are built; or installed: bin beside sbin. */
static void find_beside(const char *relative, char path[static PATH_BYTES])
{
    char self[PATH_BYTES / 2];
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    char *slash;

    path[0] = '\0';
    if (len <= 0) {
        return;
    }
    self[len] = '\0';
    slash = strrchr(self, '/');
    if (slash != NULL) {
        *slash = '\0';
        snprintf(path, PATH_BYTES, "%s/%s", self, relative);
    }
}

int ctl_offline(int argc, char **argv)
{
    bool restores = strcmp(argv[1], "restore") == 0;
    char *arguments[ARGUMENTS_MAX + 3] = {"florind", restores ? "--restore" : "--recover"};
    char path[PATH_BYTES];
    int i;

    if (argc < (restores ? 3 : 2) || argc > ARGUMENTS_MAX) {
        return ctl_fail(CTL_USAGE, "%s; `florinctl --help` shows how",
                        argc > ARGUMENTS_MAX ? "too many arguments" : "restore needs a file");
    }
    for (i = 2; i < argc; i++) {
        arguments[i] = argv[i];
    }
    fflush(stdout);
    find_beside("florind", path);
    execv(path, arguments);
    find_beside("../sbin/florind", path);
    execv(path, arguments);
    execvp("florind", arguments);
    return ctl_fail(CTL_UNAVAILABLE, "florind, which does this, was not found beside florinctl: %s",
                    strerror(errno));
}
