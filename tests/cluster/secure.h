/* TLS for the links and the API of a test's cluster. */
#ifndef FLORIN_TEST_SECURE_H
#define FLORIN_TEST_SECURE_H

#include "tests/cluster/cluster.h"

/* Between cluster_make and the first start: an authority in the folder `pki` of the cluster's, a
 * certificate for each node, and the lines in their configs that name them. */
void cluster_secure(struct cluster *c);

/* After cluster_secure: HTTPS at each node's https_port, under the same authority. */
void cluster_secure_http(struct cluster *c);

/* A line more in node i's config. */
void cluster_configure(struct cluster *c, int i, const char *line);

#endif
