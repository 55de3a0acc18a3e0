// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
#include "stray.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "cleanup.h"
#include "dump.h"
#include "facts.h"
#include "text.h"

struct stray {
	uint64_t cookie;
	struct sockaddr_storage local, remote;
	int protocol, state;
	bool found;
};

/* IPPROTO_MPTCP does not fit into the request's own member; the attribute takes its place. */
struct request {
	struct inet_diag_req_v2 body;
	struct nlattr attr;
	uint32_t protocol;
};

static int read_socket(const struct nlmsghdr *nlh, void *data)
{
	const struct inet_diag_msg *msg = dump_body(nlh, sizeof(*msg));
	struct stray *wanted = data;

	if (!msg)
		return dump_bad_message();
	if ((msg->id.idiag_cookie[0] | (uint64_t)msg->id.idiag_cookie[1] << 32) != wanted->cookie ||
	    (msg->idiag_family != AF_INET && msg->idiag_family != AF_INET6))
		return MNL_CB_OK;
	facts_sockaddr(msg->idiag_family, msg->id.idiag_src, ntohs(msg->id.idiag_sport),
		       &wanted->local);
	facts_sockaddr(msg->idiag_family, msg->id.idiag_dst, ntohs(msg->id.idiag_dport),
		       &wanted->remote);
	wanted->state = msg->idiag_state;
	wanted->found = true;
	return MNL_CB_STOP;
}

static void search(const struct netns *ns, int family, int protocol, struct stray *stray)
{
	const struct request request = {
		.body.sdiag_family = family,
		.body.sdiag_protocol = (uint8_t)protocol,
		.body.idiag_states = UINT32_MAX,
		.attr.nla_len = sizeof(request.attr) + sizeof(request.protocol),
		.attr.nla_type = INET_DIAG_REQ_PROTOCOL,
		.protocol = protocol,
	};
	const struct dump dump = {
		.bus = NETLINK_SOCK_DIAG,
		.type = SOCK_DIAG_BY_FAMILY,
		.body = &request,
		.body_size = sizeof(request),
		.read = read_socket,
		.data = stray,
	};

	stray->protocol = protocol;
	/* Many kernels cannot list one protocol or another: then it is just not found there. */
	dump_run(ns, &dump, NULL);
}

static int refuse(const struct stray *stray, struct refusal *ret)
{
	const bool is_tcp = stray->protocol == IPPROTO_TCP;
	char local[ENDPOINT_TEXT_MAX], remote[ENDPOINT_TEXT_MAX];
	int r = candidate_check_protocol(stray->protocol, ret);

	if (r < 0)
		return r;
	text_of_endpoint((const struct sockaddr *)&stray->local, local);
	text_of_endpoint((const struct sockaddr *)&stray->remote, remote);
	if (is_tcp && (stray->state == TCP_CLOSE || stray->state > TCP_CLOSING))
		return candidate_refuse(ret, -EINVAL, true, "It must listen() first.",
					"tcp %s does not listen", local);
	return candidate_refuse_connected(ret, stray->protocol, local, remote);
}

int stray_refuse(const struct netns *ns, uint64_t cookie, struct refusal *ret)
{
	static const int protocols[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_MPTCP, IPPROTO_UDPLITE};
	static const int families[] = {AF_INET, AF_INET6};
	struct stray stray = {.cookie = cookie};

	for (size_t i = 0; i < ARRAY_SIZE(protocols) && !stray.found; i++)
		for (size_t j = 0; j < ARRAY_SIZE(families) && !stray.found; j++)
			search(ns, families[j], protocols[i], &stray);
	if (stray.found)
		return refuse(&stray, ret);
	*ret = (struct refusal){.code = -ENOENT};
	return -ENOENT;
}
