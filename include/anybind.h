/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * libanybind: steer TCP and UDP to sockets by rules, with the sk_lookup hook.
 *
 * Conventions, for every function here:
 *
 *  - Functions that can fail return 0 or a count on success and a negative
 *    errno value on failure. What went wrong, the evidence and the way out go
 *    into the struct anybind_report that the caller passes; NULL is allowed
 *    where nobody wants to know. The library never prints and never exits.
 *  - ret_ arguments are written on success only. What they return belongs to
 *    the caller, who frees it with the matching _free(); every _free() takes
 *    NULL. Strings and pointers inside a returned object live as long as it.
 *  - Ports and counts are in host byte order, addresses inside struct sockaddr
 *    in network byte order as everywhere.
 *  - Nothing here is thread-safe on one object; distinct objects may be used
 *    from distinct threads. A function that must look into another network
 *    namespace moves only the calling thread there and back again.
 *  - Structs that a caller fills in start with their own size, so that later
 *    versions can add members: `{ .size = sizeof(x) }`.
 */
#ifndef ANYBIND_H
#define ANYBIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The library is built with hidden visibility; what is declared here is exported. */
#pragma GCC visibility push(default)

/* A service's name: 1 to 64 of letters, digits, '.', '_', '-', '@', ':'. */
#define ANYBIND_NAME_MAX 64
/* Services with rules or sockets in one namespace. */
#define ANYBIND_SERVICES_MAX 4096
/* The bpffs that holds the state, unless anybind_options names another. */
#define ANYBIND_BPFFS "/sys/fs/bpf"

/* The library's version, "MAJOR.MINOR.PATCH"; a constant string. */
const char *anybind_version(void);

/* ---- reports: what a call has to say beyond its errno ---- */

enum anybind_severity { ANYBIND_ERROR, ANYBIND_WARNING };

struct anybind_message {
	enum anybind_severity severity;
	int code;	    /* negative errno */
	const char *source; /* file the line is in, or NULL */
	unsigned int line;  /* line number from 1, or 0 */
	const char *text;   /* what failed and the evidence; one line */
	const char *hint;   /* what to do, or NULL; lines separated by \n */
	const char *detail; /* verifier log and the like, for -v; or NULL */
};

struct anybind_report;

struct anybind_report *anybind_report_new(void); /* NULL: out of memory */
void anybind_report_free(struct anybind_report *report);
/*
 * Messages kept, in the order they arose. At most 20 errors and 20 warnings
 * are kept; anybind_report_dropped() says how many more there were.
 */
size_t anybind_report_count(const struct anybind_report *report);
const struct anybind_message *anybind_report_get(const struct anybind_report *report, size_t i);
size_t anybind_report_dropped(const struct anybind_report *report, enum anybind_severity severity);

/* ---- rulesets: pure, no privilege, no kernel ---- */

struct anybind_ruleset;

enum anybind_action { ANYBIND_PASS, ANYBIND_DROP, ANYBIND_BIND, ANYBIND_SERVICE };

/* One canonical statement, as text and in parts. Parts are words of the rule language. */
struct anybind_statement {
	const char *text; /* the whole statement, without newline */
	enum anybind_action action;
	const char *service; /* of bind and service, else NULL */
	const char *proto;   /* "tcp", "udp", "tcp,udp"; NULL for service */
	const char *prefix;  /* "any", "192.0.2.0/24", … ; NULL for service */
	const char *ports;   /* "any", "any except 22", "80,443"; NULL for service */
	const char *from;    /* source prefix, or NULL */
	const char *dev;     /* interface name, or NULL */
	bool missing_pass;   /* of service: what it does without a usable socket */
	bool implied;	     /* of service: other statements name it, none declares it */
	const char *fallback; /* of service: what gets its traffic then, or NULL */
};

/* An empty ruleset. */
int anybind_ruleset_new(struct anybind_ruleset **ret_ruleset);
void anybind_ruleset_free(struct anybind_ruleset *ruleset);

/*
 * Reads a file's text: one statement a line. All errors are reported, not
 * only the first. @source names the text in messages; it is copied.
 * -EINVAL: errors in the text. -ENOMEM. -E2BIG: more than the limits allow.
 */
int anybind_ruleset_parse(struct anybind_ruleset **ret_ruleset, const char *text, size_t size,
			  const char *source, struct anybind_report *report);

/*
 * Reads one statement given as words, as on a command line. Several words may
 * also stand in one argument.
 */
int anybind_ruleset_parse_words(struct anybind_ruleset **ret_ruleset, int argc,
				char *const argv[], struct anybind_report *report);

/* Rules (one for each address family, protocol and port range) and services. */
size_t anybind_ruleset_count(const struct anybind_ruleset *ruleset);
size_t anybind_ruleset_services(const struct anybind_ruleset *ruleset);

/*
 * Adds all of @delta to @ruleset. Returns 1 if that changed anything, 0 if
 * not. -EEXIST: the same match is there with another verdict (or the service
 * with another `missing` or `fallback`) and @replace is not set. -EINVAL:
 * conflicts. On failure @ruleset is as it was.
 */
int anybind_ruleset_add(struct anybind_ruleset *ruleset, const struct anybind_ruleset *delta,
			bool replace, struct anybind_report *report);

/*
 * Takes all of @delta's rules out of @ruleset, or, where @delta has no rules,
 * the services that it declares. -ENOENT: one of them is not there. -EBUSY: a
 * service still has rules, or one that stays falls back to it. On failure
 * @ruleset is as it was.
 */
int anybind_ruleset_remove(struct anybind_ruleset *ruleset, const struct anybind_ruleset *delta,
			   struct anybind_report *report);

/* Called for each statement; a return value other than 0 stops and is returned. */
typedef int (*anybind_statement_fn)(const struct anybind_statement *statement, void *data);

/* Canonical statements in canonical order; parsing them gives @ruleset again. */
int anybind_ruleset_each(const struct anybind_ruleset *ruleset, anybind_statement_fn fn, void *data);

/*
 * What leads from @before to @after: @removed for each statement that goes,
 * then @added for each that comes. Rules are compared, not lines.
 */
int anybind_ruleset_diff(const struct anybind_ruleset *before, const struct anybind_ruleset *after,
			 anybind_statement_fn removed, anybind_statement_fn added, void *data);

/* ---- policies: who may register what; pure, no privilege, no kernel ---- */

struct anybind_policy;

/*
 * Looks up the number of a user or, with @is_group, of a group. -ENOENT: there
 * is none of that name.
 */
typedef int (*anybind_id_fn)(bool is_group, const char *name, uint32_t *ret_id, void *data);

/*
 * Reads a policy as anybind-policy(5) describes it. All errors are reported.
 * @source names the text in messages; it is not kept. Names are looked up now,
 * by @id_of. -EINVAL: errors in the text. -ENOMEM. -E2BIG.
 */
int anybind_policy_parse(struct anybind_policy **ret_policy, const char *text, size_t size,
			 const char *source, anybind_id_fn id_of, void *data,
			 struct anybind_report *report);
void anybind_policy_free(struct anybind_policy *policy);
/* Names and patterns of services in it; 0: it allows nothing. */
size_t anybind_policy_count(const struct anybind_policy *policy);
/* @groups: all of the user's, the primary one too. */
bool anybind_policy_allows(const struct anybind_policy *policy, uid_t uid, const gid_t groups[],
			   size_t n_groups, const char *service);

/* ---- the dispatcher of one network namespace ---- */

struct anybind;

struct anybind_options {
	size_t size;
	const char *netns; /* name under /run/netns, path, "pid:N"; NULL: this one */
	const char *bpffs; /* a mounted bpffs; NULL: ANYBIND_BPFFS, mounted if missing */
};

/*
 * Opens a handle; loads nothing. -ENOENT: no such namespace. -EPERM: no
 * privilege. -ENOTSUP: kernel too old or without BPF. -EXDEV: started inside
 * `ip netns exec`, where pins would not last.
 */
int anybind_open(struct anybind **ret_anybind, const struct anybind_options *options,
		 struct anybind_report *report);
void anybind_close(struct anybind *anybind);

/*
 * socket(2) in the handle's namespace; returns a descriptor that is closed on
 * exec. (SIOCGSKNS gives the namespace itself, for setns(2).)
 */
int anybind_netns_socket(struct anybind *anybind, int domain, int type, int protocol,
			 struct anybind_report *report);

/*
 * Takes the namespace's write lock, waiting for other writers, and clears up
 * what a killed writer left. Held until anybind_end() or anybind_close().
 * Every function below that writes takes it for itself where it is not held;
 * hold it around read, edit and commit so that nobody's change is lost.
 */
int anybind_begin(struct anybind *anybind, struct anybind_report *report);
void anybind_end(struct anybind *anybind);

/* Attaches a dispatcher with no rules. Returns 1 if one was there already. */
int anybind_load(struct anybind *anybind, struct anybind_report *report);
/* Detaches it and forgets rules, sockets and counters. Returns 1 if there was none. */
int anybind_unload(struct anybind *anybind, struct anybind_report *report);

/* The rules in force, read back from the kernel. -ENOENT: no dispatcher. */
int anybind_rules(struct anybind *anybind, struct anybind_ruleset **ret_ruleset,
		  struct anybind_report *report);

enum anybind_commit_flags {
	ANYBIND_FORCE = 1 << 0, /* even if it takes the port of the caller's ssh session */
};

/*
 * Puts @ruleset in force in one step, loading the dispatcher where none is:
 * until the step every packet sees the old rules, from it on the new ones.
 * Devices are resolved in the namespace. Dangerous consequences are warned of
 * in @report. -EPERM: see ANYBIND_FORCE. -ENODEV: no such device. -E2BIG, -ENOSPC:
 * too large.
 */
int anybind_commit(struct anybind *anybind, const struct anybind_ruleset *ruleset,
		   unsigned int flags, struct anybind_report *report);

/* ---- sockets ---- */

enum anybind_socket_state {
	ANYBIND_SOCKET_LIVE,
	ANYBIND_SOCKET_SHUT_DOWN, /* registered, but it does not listen or is connected */
	ANYBIND_SOCKET_GONE,	  /* closed; its place is skipped */
};

struct anybind_socket_info {
	int family;	       /* AF_INET or AF_INET6 */
	int protocol;	       /* IPPROTO_TCP or IPPROTO_UDP */
	uint64_t cookie;       /* SO_COOKIE */
	const char *address;   /* "192.0.2.1:53", "[::]:80"; NULL: not known */
	bool reuseport;	       /* one of a reuseport group */
	unsigned int members;  /* sockets of that group that are known; else 1 */
	pid_t pid;	       /* a process that holds it, or 0 */
	const char *program;   /* that process's name, or NULL */

	/* Of registered sockets, as anybind_services() shows them: */
	enum anybind_socket_state state;
	unsigned int weight;   /* 0: gets no new flows */
	bool standby;	       /* takes over if its reuseport group's other member is gone */
	double share;	       /* of the service's flows of this family and protocol, 0 to 1 */
	uint64_t since;	       /* registered at, CLOCK_REALTIME seconds; 0: not known */
	const char *how;       /* "pid", "fd", …; NULL: not known */
	uid_t by_uid;	       /* who registered it */
};

/* Sockets fit to be registered, at most one (or one reuseport group) for each family and protocol. */
struct anybind_sockets;

/*
 * Finds the sockets of a running process, those of one reuseport group
 * counting as one. @protocol 0 and @address NULL leave the choice open; an
 * @address with port 0 or the any-address matches only sockets bound so.
 * -ESRCH: no such process. -EPERM. -ENOENT: none fits, with the reason for
 * each that came near. -ENOTUNIQ: several fit; they are listed.
 */
int anybind_sockets_of_pid(struct anybind *anybind, struct anybind_sockets **ret_sockets,
			   pid_t pid, int protocol, const struct sockaddr *address,
			   struct anybind_report *report);

/*
 * Takes descriptors that the caller has open; they are duplicated. -EINVAL:
 * one is no socket that can be registered, with the reason. -EXDEV: it belongs
 * to another namespace. -ENOTUNIQ: several for one family and protocol.
 */
int anybind_sockets_of_fds(struct anybind *anybind, struct anybind_sockets **ret_sockets,
			   const int fds[], size_t n_fds, struct anybind_report *report);

/*
 * Finds the socket with @cookie (SO_COOKIE) in the namespace, whoever holds it:
 * no process and no descriptor is needed, only CAP_BPF, CAP_PERFMON and
 * CAP_NET_ADMIN. anybind_register() finds it by its cookie again, so it may be
 * closed in between. Those of its reuseport group come with it. Whether the
 * kernel takes them is tried out. -ENOENT: no socket of this namespace has it.
 * -EINVAL, -EISCONN, -EPROTONOSUPPORT: it is no TCP listener or unconnected UDP
 * socket. -ENOTSUP: TCP on Linux before 6.5, where this could deadlock the
 * kernel, or a kernel without BTF.
 */
int anybind_sockets_of_cookie(struct anybind *anybind, struct anybind_sockets **ret_sockets,
			      uint64_t cookie, struct anybind_report *report);

/*
 * The same for the TCP listener or unconnected UDP socket that is bound to
 * exactly @address: the any-address means just that, and an IPv4 address no
 * dual-stack socket, unless that is bound to its IPv4-mapped form. The sockets
 * of one reuseport group count as one. -ENOENT: none is, with those on the same
 * port. -ENOTUNIQ: several are that are no reuseport group; they are listed.
 */
int anybind_sockets_listening(struct anybind *anybind, struct anybind_sockets **ret_sockets,
			      int protocol, const struct sockaddr *address,
			      struct anybind_report *report);

void anybind_sockets_free(struct anybind_sockets *sockets);
size_t anybind_sockets_count(const struct anybind_sockets *sockets);
const struct anybind_socket_info *anybind_sockets_get(const struct anybind_sockets *sockets,
						      size_t i);

#define ANYBIND_WEIGHT_MAX 1000

struct anybind_register_options {
	size_t size;
	bool add;	     /* beside the sockets that are there, not in their place */
	unsigned int weight; /* share of flows beside others, to ANYBIND_WEIGHT_MAX; 0: 1 */
	bool drain;	     /* weight 0: no new flows */
	const char *how;     /* for people, up to 23 bytes; NULL: "library" */
	uid_t uid;	     /* on whose behalf; only with .on_behalf */
	bool on_behalf;
};

/*
 * Registers @sockets for @service, which comes into being if it is new: all of
 * them or, where one is refused, none, and what was registered stays. Each
 * replaces the service's sockets of its family and protocol in one step or,
 * with .add, stands beside them. A socket that is there already gets the new
 * weight. All sockets of a reuseport group are registered, one of them to get
 * flows, which the kernel spreads over the group, the others to stand by.
 * @options: NULL for defaults. -ENOSPC: more sockets than there are slots.
 */
int anybind_register(struct anybind *anybind, const char *service,
		     const struct anybind_sockets *sockets,
		     const struct anybind_register_options *options,
		     struct anybind_report *report);

/*
 * Takes back the registration of @protocol (0: both) and @family (0: both), and
 * of @cookie (0: all). Returns how many went. -ENOENT: there were none.
 */
int anybind_unregister(struct anybind *anybind, const char *service, int protocol, int family,
		       uint64_t cookie, struct anybind_report *report);

/*
 * Waits until sockets that get no new flows any more can be closed without
 * loss: until no connection awaits accept(2), no handshake that was on its way
 * at the call can lead to one, and no datagram is unread. Sockets that are
 * closed, or of another namespace, hold nothing. @cookies: as of SO_COOKIE.
 * @timeout_ms: at most this long. -ETIMEDOUT: the report says what is left.
 */
int anybind_wait_drained(struct anybind *anybind, const uint64_t cookies[], size_t n_cookies,
			 unsigned int timeout_ms, struct anybind_report *report);

/* ---- following a cgroup ---- */

struct anybind_follow_options {
	size_t size;
	const char *unit;	     /* what the cgroup is of, for people and anybind_unfollow(); NULL */
	int protocol;		     /* IPPROTO_TCP or IPPROTO_UDP; 0: both */
	const struct sockaddr *address; /* only sockets bound to just that; NULL: any */
	unsigned int weight; /* beside the service's other sockets, to ANYBIND_WEIGHT_MAX; 0: 1 */
	bool drain;	     /* weight 0: no new flows */
};

/*
 * Has @service, which comes into being if it is new, follow the cgroup (of
 * version 2) @cgroup: a folder of the cgroup file system or the path in the
 * hierarchy. From then on the kernel registers each TCP listener that is made in
 * the cgroup or below it, in the handle's network namespace, at listen(2);
 * those that listen already are registered now. No process is needed for it,
 * and it ends with the cgroup. UDP sockets are registered by this call only, so
 * call it again when they are bound: for the same cgroup or unit and the same
 * sockets it does nothing else, but sets a weight that is given. Without an
 * address UDP sockets on ports of the range for clients are left out.
 *
 * A follow is one member of the service: its flows go to one of its sockets,
 * with that one's reuseport group, and the others take over. It is one step;
 * a kill leaves it made or not. Returns how many sockets it has registered.
 * -ENOENT: no such cgroup. -EINVAL: it is none of version 2. -ENOTSUP: no
 * hierarchy of version 2, a kernel too old or without BTF. -EPERM. -ENOTUNIQ:
 * its sockets are bound to several ports; they are listed. -EEXIST: the service
 * follows a cgroup whose sockets would be this one's, too. -ENOSPC.
 */
int anybind_follow(struct anybind *anybind, const char *service, const char *cgroup,
		   const struct anybind_follow_options *options, struct anybind_report *report);

/*
 * Ends the service's follows of @cgroup or, if that is not NULL, of @unit; with
 * both NULL all. The sockets that they registered are the service's no more.
 * Returns how many ended. -ENOENT: there is none.
 */
int anybind_unfollow(struct anybind *anybind, const char *service, const char *cgroup,
		     const char *unit, struct anybind_report *report);

/* ---- registering without privilege, by an agent ---- */

/* Where an agent listens, unless it is told otherwise. */
#define ANYBIND_AGENT_SOCKET "/run/anybind/agent.sock"
/* Sockets that an agent takes at once. */
#define ANYBIND_AGENT_FDS_MAX 64

/*
 * Has the agent (anybind-agent(8)) at @socket_path (NULL: ANYBIND_AGENT_SOCKET)
 * register sockets that the caller has open, as anybind_register() would. Needs
 * no privilege: the agent's policy decides. The sockets stay the caller's.
 * Waits for the answer, at most for a minute; returns how many slots of the
 * service were filled, members of a reuseport group counting as one.
 * -ENOENT, -ECONNREFUSED: no agent. -EACCES: the policy. -EBUSY: too many
 * clients of this user at once. -ETIMEDOUT. -EBADMSG: what answers is no agent,
 * or of another version. Else what anybind_sockets_of_fds() and
 * anybind_register() fail with; the report names the caller's descriptor.
 */
int anybind_agent_register(const char *socket_path, const char *service, const int fds[],
			   size_t n_fds, struct anybind_report *report);

/* ---- looking ---- */

struct anybind_counters {
	uint64_t steered;	  /* lookups that got the service's socket */
	uint64_t missing;	  /* no socket was registered; then comes the fallback */
	uint64_t eafnosupport;	  /* bpf_sk_assign: socket of another family */
	uint64_t eprototype;	  /* bpf_sk_assign: socket of another protocol */
	uint64_t esocktnosupport; /* bpf_sk_assign: not listening or connected */
	uint64_t other;		  /* bpf_sk_assign: any other error */
};

struct anybind_follow_info {
	const char *cgroup;  /* path in the hierarchy */
	uint64_t cgroup_id;  /* never used again, whatever the path */
	bool alive;	     /* the cgroup exists; else the follow has ended with it */
	const char *unit;    /* what it is of, or NULL */
	int protocol;	     /* IPPROTO_TCP or IPPROTO_UDP; 0: both */
	const char *address; /* only sockets bound to this; NULL: any */
	unsigned int weight;
	uint64_t since;	     /* CLOCK_REALTIME, seconds */
	uid_t by_uid;	     /* who had it followed */
	unsigned int sockets; /* registered by it and open */
	uint64_t registered; /* at listen(2), so far */
	uint64_t refused;    /* listeners that cannot be registered, so far */
	const char *refusal; /* why the last one of them could not; NULL: there was none */
	uint64_t crowded_out; /* sockets let go because more listen than are kept, so far */
	unsigned int unregistered; /* UDP sockets that came since; anybind_follow() gets them */
};

struct anybind_service_info {
	const char *name;
	bool missing_pass;
	const char *fallback; /* the service that gets its traffic when it has no socket, or NULL */
	size_t rules; /* rules that steer to it */
	size_t n_sockets;
	const struct anybind_socket_info *sockets; /* registered */
	struct anybind_counters counters;
	size_t n_follows;
	const struct anybind_follow_info *follows;
};

struct anybind_services;

/* All services that have rules or sockets or follow a cgroup, by name. */
int anybind_services(struct anybind *anybind, struct anybind_services **ret_services,
		     struct anybind_report *report);
void anybind_services_free(struct anybind_services *services);
size_t anybind_services_count(const struct anybind_services *services);
const struct anybind_service_info *anybind_services_get(const struct anybind_services *services,
							size_t i);

struct anybind_device_info {
	const char *name;
	unsigned int ifindex; /* as resolved at the last write; 0: did not exist */
	unsigned int current; /* as it is now; 0: does not exist */
};

struct anybind_status {
	bool loaded;
	uint64_t netns_cookie;
	uint32_t netns_inode;
	const char *path;	/* the state's folder in the bpffs */
	uint64_t generation;	/* counts changes since load */
	uint64_t changed;	/* CLOCK_REALTIME seconds of the last change */
	uint32_t program_id;
	uint32_t link_id;
	unsigned int layout;	/* version of the state's layout */
	size_t rules, services;
	size_t table_bytes;	/* compiled table: what lookups read */
	size_t rules_bytes;	/* the rules kept beside it */
	size_t n_devices;
	const struct anybind_device_info *devices;
	size_t n_others;	/* other sk_lookup programs on the namespace */
	const uint32_t *others; /* their ids */
	size_t follows;		/* cgroups that services follow */
	size_t follows_gone;	/* those of them that exist no more */
};

/* Where no dispatcher is loaded this succeeds, with .loaded false. */
int anybind_status(struct anybind *anybind, struct anybind_status **ret_status,
		   struct anybind_report *report);
void anybind_status_free(struct anybind_status *status);

struct anybind_flow {
	int protocol; /* IPPROTO_TCP or IPPROTO_UDP */
	struct sockaddr_storage source, destination;
	const char *dev; /* interface the packet comes in by, or NULL */
};

struct anybind_candidate {
	const char *text;   /* the rule, canonical */
	const char *reason; /* why it lost or does not match */
	bool matches;	    /* it matches but another rule comes first */
};

enum anybind_kernel_check {
	ANYBIND_CHECK_AGREES,	 /* the kernel's test run gave the same */
	ANYBIND_CHECK_DISAGREES, /* it did not: a bug, or a race with a change */
	ANYBIND_CHECK_GROUP,	 /* it chose a reuseport group's socket; which member is open */
};

struct anybind_explanation {
	enum anybind_action action; /* pass, drop or bind */
	const char *rule;	    /* the rule that decides, or NULL: none matches */
	const char *reason;	    /* why it decides */
	const char *service;	    /* of bind */
	size_t n_fallbacks;	    /* services that are tried after it, */
	const char *const *fallbacks; /* up to the one with the socket, if there is one */
	bool missing;		    /* none has a usable socket: .missing_pass decides */
	bool missing_pass;	    /* of .service */
	const struct anybind_socket_info *socket; /* or NULL */
	size_t n_candidates;	/* other rules for that destination, strongest first */
	const struct anybind_candidate *candidates;
	size_t n_omitted;	/* candidates left out of the list */
	enum anybind_kernel_check check;
	const char *check_text; /* what was compared and what came out */
};

/* -EUCLEAN: the kernel's test run disagrees; @ret_explanation is set all the same. */
int anybind_explain(struct anybind *anybind, const struct anybind_flow *flow,
		    struct anybind_explanation **ret_explanation, struct anybind_report *report);
void anybind_explanation_free(struct anybind_explanation *explanation);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
