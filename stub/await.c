/* SPDX-License-Identifier: MIT */
#include "stub/await.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "qxfer/host.h"
#include "stub/start.h"

struct await {
	char *name;
	struct host_ids known; /* those that were there before */
};

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

bool await_is_named(unsigned int pid, const char *name)
{
	char link[32], path[PATH_MAX];
	struct host_stat stat;

	snprintf(link, sizeof(link), "/proc/%u/exe", pid);
	ssize_t n = readlink(link, path, sizeof(path) - 1);
	path[n < 0 ? 0 : n] = '\0';
	if (strchr(name, '/'))
		return strcmp(path, name) == 0;
	if (n > 0 && strcmp(last_part(path), name) == 0)
		return true;
	return host_stat(pid, pid, &stat) && strcmp(stat.comm, name) == 0;
}

struct err *await_find(const char *name, pid_t *ret)
{
	_cleanup_host_ids_ struct host_ids all = { 0 };
	size_t found = 0;

	if (!host_list("/proc", &all))
		return &err_nomem;
	for (size_t i = 0; i < all.n; i++) {
		if (all.id[i] == (unsigned int)getpid() || !await_is_named(all.id[i], name))
			continue;
		found++;
		*ret = (pid_t)all.id[i];
	}
	if (!found)
		return err_new(ERR_NOT_FOUND, "no process is named %.64s", name);
	if (found > 1)
		return err_new(ERR_STATE, "%zu processes are named %.64s", found, name);
	return NULL;
}

struct err *await_begin(struct session *s, const char *name)
{
	struct await *a = calloc(1, sizeof(*a));

	await_end(s);
	if (a)
		a->name = strdup(name);
	if (!a || !a->name || !host_list("/proc", &a->known)) {
		free(a ? a->name : NULL);
		free(a);
		return &err_nomem;
	}
	s->await = a;
	return NULL;
}

void await_end(struct session *s)
{
	struct await *a = s->await;

	if (!a)
		return;
	host_ids_deinit(&a->known);
	free(a->name);
	free(a);
	s->await = NULL;
}

static bool was_there(const struct await *a, unsigned int pid)
{
	size_t low = 0, high = a->known.n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (a->known.id[mid] == pid)
			return true;
		if (a->known.id[mid] < pid)
			low = mid + 1;
		else
			high = mid;
	}
	return false;
}

void await_poll(struct session *s)
{
	_cleanup_host_ids_ struct host_ids all = { 0 };
	const struct await *a = s->await;
	size_t i = 0;

	if (!a || !host_list("/proc", &all))
		return;
	while (i < all.n && (was_there(a, all.id[i]) || all.id[i] == (unsigned int)getpid() ||
			     !await_is_named(all.id[i], a->name)))
		i++;
	if (i == all.n)
		return;
	await_end(s);
	buf_clear(&s->reply);
	session_answer(s, session_attach(s, (pid_t)all.id[i], &s->reply));
}

void await_interrupt(struct session *s)
{
	await_end(s);
	buf_clear(&s->reply);
	session_answer(s, err_new(ERR_STATE, "the wait was interrupted"));
}
