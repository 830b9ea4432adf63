#include "statemachine/private_file.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

int private_file_check(const char *path, struct fault *fault)
{
    struct stat st;

    if (stat(path, &st) != 0) {
        return fault_set(fault, "%s: cannot be opened: %s", path, strerror(errno));
    }
    if ((st.st_mode & 077) != 0) {
        return fault_set(fault, "%s: others may read or write this key (mode %03o): chmod 600 it",
                         path, st.st_mode & 0777u);
    }
    return 0;
}
