// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "trie.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>

#include "cleanup.h"
#include "peers.h"

static void binding_of(const struct host_rules *rules, const struct host_rule *rule,
		       struct binding_key *key, struct binding *value)
{
	uint32_t unused = rules->v6 ? 128 - rules->bits : 32 - rules->bits;

	*key = (struct binding_key){
		.prefixlen = 8 * (sizeof(*key) - sizeof(key->prefixlen)) - unused,
		.protocol = rules->tcp ? IPPROTO_TCP : IPPROTO_UDP,
		.port = rule->port,
	};
	if (rules->v6) {
		memcpy(key->addr, rule->addr, sizeof(key->addr));
	} else {
		key->addr[2] = htonl(0xffff);
		key->addr[3] = rule->addr[0];
	}
	*value = (struct binding){ PEER_SLOT(rule->service, rules->v6), key->prefixlen };
}

/* In batches: one system call a rule would take twice as long. */
int trie_fill(int map, const struct host_rules *rules)
{
	enum { BATCH = 4096 };
	_cleanup_free_ struct binding_key *keys = calloc(BATCH, sizeof(*keys));
	_cleanup_free_ struct binding *values = calloc(BATCH, sizeof(*values));

	if (!keys || !values)
		return -ENOMEM;
	for (size_t i = 0; i < rules->n;) {
		__u32 n = 0;

		for (; n < BATCH && i < rules->n; n++, i++)
			binding_of(rules, &rules->v[i], &keys[n], &values[n]);
		if (bpf_map_update_batch(map, keys, values, &n, NULL) < 0)
			return -errno;
	}
	return 0;
}
