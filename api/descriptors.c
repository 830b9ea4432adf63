#include "api/descriptors.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { PORT_TEXT_MAX = 8 };

static bool end_of(int fd, int (*name)(int, struct sockaddr *, socklen_t *), struct socket_end *end)
{
    struct sockaddr_storage at;
    socklen_t len = sizeof at;
    char port[PORT_TEXT_MAX];

    if (name(fd, (struct sockaddr *)&at, &len) != 0 ||
        (at.ss_family != AF_INET && at.ss_family != AF_INET6) ||
        getnameinfo((struct sockaddr *)&at, len, end->address, sizeof end->address, port,
                    sizeof port, NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
        return false;
    }
    end->port = atoi(port);
    return true;
}

bool descriptor_own_end(int fd, struct socket_end *end)
{
    return end_of(fd, getsockname, end);
}

bool descriptor_peer_end(int fd, struct socket_end *end)
{
    return end_of(fd, getpeername, end);
}

int descriptors_each(void (*each)(void *context, int fd), void *context)
{
    DIR *descriptors = opendir("/proc/self/fd");
    struct dirent *entry;

    if (descriptors == NULL) {
        return errno;
    }
    while ((entry = readdir(descriptors)) != NULL) {
        if (entry->d_name[0] != '.') {
            each(context, atoi(entry->d_name));
        }
    }
    closedir(descriptors);
    return 0;
}

static void shut_listener(void *context, int fd)
{
    const struct socket_end *wanted = context;
    struct socket_end own;
    socklen_t len = sizeof(int);
    int listens = 0;

    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == 0 && listens &&
        descriptor_own_end(fd, &own) && own.port == wanted->port &&
        (wanted->address[0] == '\0' || strcmp(own.address, wanted->address) == 0)) {
        shutdown(fd, SHUT_RDWR);
    }
}

void descriptors_shut_listener(const char *listen, int port)
{
    const char *colon = strrchr(listen, ':');
    size_t len = colon == NULL ? 0 : (size_t)(colon - listen);
    struct socket_end wanted = {.port = port};

    if (len > 1 && listen[0] == '[') {
        listen++;
        len -= 2;
    }
    if (len < sizeof wanted.address) {
        memcpy(wanted.address, listen, len);
        descriptors_each(shut_listener, &wanted);
    }
}
