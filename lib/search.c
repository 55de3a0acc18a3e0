/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "search.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cleanup.h"
#include "error.h"

void search_clear(struct search *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->found[i].sock.fd >= 0)
			close(s->found[i].sock.fd);
	free(s->found);
}

int search_add(struct search *s, const struct candidate *c, int *fd)
{
	const struct anybind_socket_info *info = &c->sock.info;
	size_t *first = &s->first[info->family == AF_INET6][info->protocol == IPPROTO_UDP];

	if (s->n == s->cap) {
		const size_t cap = s->cap ? 2 * s->cap : 8;
		struct candidate *found = reallocarray(s->found, cap, sizeof(*found));

		if (!found)
			return -ENOMEM;
		s->found = found;
		s->cap = cap;
	}
	s->found[s->n] = *c;
	if (!*first)
		*first = s->n + 1;
	if (*first == s->n + 1 || candidate_same_group(&s->found[*first - 1], c))
		s->found[s->n].sock.fd = take_fd(fd);
	s->n++;
	return 0;
}

static int compare_found(const void *left, const void *right)
{
	const struct candidate *a = left, *b = right;
	const int diff = candidate_compare(a, b);

	/* Of two descriptors of one socket, the one kept first. */
	return diff ? diff : b->sock.fd - a->sock.fd;
}

/* Sorts, and leaves one of each socket. */
static void search_sort(struct search *s)
{
	size_t kept = 0;

	if (s->n)
		qsort(s->found, s->n, sizeof(*s->found), compare_found);
	for (size_t i = 0; i < s->n; i++) {
		if (!kept || candidate_compare(&s->found[kept - 1], &s->found[i]))
			s->found[kept++] = s->found[i];
		else if (s->found[i].sock.fd >= 0)
			close(s->found[i].sock.fd);
	}
	s->n = kept;
}

static bool same_slot(const struct candidate *a, const struct candidate *b)
{
	return a->sock.info.family == b->sock.info.family &&
	       a->sock.info.protocol == b->sock.info.protocol;
}

/* One past the last of the same family and protocol as found[@i], sorted. */
static size_t slot_end(const struct search *s, size_t i)
{
	size_t end = i;

	while (end < s->n && same_slot(&s->found[i], &s->found[end]))
		end++;
	return end;
}

/* Sockets to choose among in found[@i..@end): members of one group count once. */
static size_t count_groups(const struct search *s, size_t i, size_t end)
{
	size_t groups = 1;

	for (size_t j = i + 1; j < end; j++)
		groups += !candidate_same_group(&s->found[j - 1], &s->found[j]);
	return groups;
}

/*
 * What to type for each socket of every family and protocol that has several.
 * @pid 0: they were given by number. To be freed.
 */
static char *list_choices(const struct search *s, pid_t pid)
{
	_cleanup_free_ char *text = NULL;
	char name[CANDIDATE_TEXT_MAX];
	size_t size, listed = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	fputs(pid ? "Choose one:" : "Give one of them only:", out);
	for (size_t i = 0, end; i < s->n; i = end) {
		end = slot_end(s, i);
		if (count_groups(s, i, end) == 1)
			continue;
		for (size_t j = i; j < end; j++) {
			if (j > i && candidate_same_group(&s->found[j - 1], &s->found[j]))
				continue;
			if (listed++ >= LISTED_MAX)
				continue;
			candidate_text(&s->found[j], name);
			if (pid)
				fprintf(out, "\nanybind register NAME --pid %d %s  # fd %d", pid,
					name, s->found[j].number);
			else
				fprintf(out, "\nfd %d: %s", s->found[j].number, name);
		}
	}
	if (listed > LISTED_MAX)
		fprintf(out, "\nand %zu more", listed - LISTED_MAX);
	return fclose(out) ? NULL : take_ptr(text);
}

/* How many sockets there are too many to choose from, of one kind: the first such. */
static const struct candidate *find_ambiguity(const struct search *s, size_t *ret_groups)
{
	for (size_t i = 0, end; i < s->n; i = end) {
		end = slot_end(s, i);
		*ret_groups = count_groups(s, i, end);
		if (*ret_groups > 1)
			return &s->found[i];
	}
	return NULL;
}

/* One socket of found[@i..@end), a group; the others become its mates. */
static int make_sock(struct search *s, size_t i, size_t end, struct sock *ret)
{
	size_t kept = i;

	while (s->found[kept].sock.fd < 0)
		kept++;
	*ret = s->found[kept].sock;
	s->found[kept].sock.fd = -1;
	ret->info.members = (unsigned int)(end - i);
	sock_settle(ret);
	ret->mates = calloc(end - i, sizeof(*ret->mates));
	if (!ret->mates)
		return -ENOMEM;
	for (; i < end; i++)
		if (s->found[i].sock.fd >= 0)
			ret->mates[ret->n_mates++] = take_fd(&s->found[i].sock.fd);
	return 0;
}

/* Of a search that is sorted, not empty and without ambiguity. */
static int make_result(struct search *s, struct anybind_sockets **ret,
		       struct anybind_report *report)
{
	struct anybind_sockets *sockets = calloc(1, sizeof(*sockets));

	if (sockets)
		sockets->socks = calloc(s->n, sizeof(struct sock));
	if (!sockets || !sockets->socks) {
		free(sockets);
		return report_oom(report);
	}
	for (size_t i = 0, end; i < s->n; i = end) {
		end = slot_end(s, i);
		if (make_sock(s, i, end, &sockets->socks[sockets->n++]) < 0) {
			anybind_sockets_free(sockets);
			return report_oom(report);
		}
	}
	*ret = sockets;
	return 0;
}

int search_result(struct search *s, struct anybind_sockets **ret, pid_t pid, const char *who,
		  struct anybind_report *report)
{
	_cleanup_free_ char *choices = NULL;
	const struct candidate *several;
	size_t groups;

	search_sort(s);
	several = find_ambiguity(s, &groups);
	if (!several)
		return make_result(s, ret, report);
	choices = list_choices(s, pid);
	return report_error(report, -ENOTUNIQ, choices,
			    "%s %zu %s sockets of IPv%d, and none is named", who, groups,
			    several->sock.info.protocol == IPPROTO_TCP ? "tcp" : "udp",
			    several->sock.info.family == AF_INET ? 4 : 6);
}
