/* Configurations as the log holds them: for those who must not know libraft. */
#ifndef FLORIN_CONFIGURATION_H
#define FLORIN_CONFIGURATION_H

#include "consensus/submit.h"
#include "statemachine/report.h"

struct configuration_member {
    uint64_t id;
    const char *address;
    enum member_role role;
};

/* Appends the payload of a LOG_CHANGE entry. -1: an id or address twice, none at all. */
int configuration_encode(const struct configuration_member *members, size_t n, struct bytes *out,
                         struct fault *fault);

/* The address that a configuration from the log has for a member: false when it names none such or
 * can't be read. */
bool configuration_address(struct slice encoded, uint64_t id, char address[MEMBER_ADDRESS_MAX]);

#endif
