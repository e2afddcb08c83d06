/* SPDX-License-Identifier: MIT */
/* osdata: processes, their groups, threads and files. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "qxfer/host.h"
#include "qxfer/osdata.h"

#define CORES_MAX 4096u

static bool list_tasks(unsigned int pid, struct host_ids *ret)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%u/task", pid);
	return host_list(path, ret);
}

static void put_user(unsigned int pid, const struct host_names *users, struct buf *out)
{
	char path[64], room[16];
	struct stat st;
	snprintf(path, sizeof(path), "/proc/%u", pid);
	osdata_text(out, "user", stat(path, &st) == 0 ? host_name_of(users, st.st_uid, room) : "?");
}

/* Which processors its threads last ran on: "0,3". */
static bool put_cores(unsigned int pid, struct buf *out)
{
	_cleanup_host_ids_ struct host_ids tasks = { 0 };
	bool on[CORES_MAX] = { false };
	const char *comma = "";
	struct host_stat st;

	if (!list_tasks(pid, &tasks))
		return false;
	for (size_t i = 0; i < tasks.n; i++)
		if (host_stat(pid, tasks.id[i], &st) && st.core < CORES_MAX)
			on[st.core] = true;
	buf_puts(out, "<column name=\"cores\">");
	for (unsigned int i = 0; i < CORES_MAX; i++) {
		if (!on[i])
			continue;
		buf_printf(out, "%s%u", comma, i);
		comma = ",";
	}
	buf_puts(out, "</column>\n");
	return true;
}

static void put_command(const char *column, unsigned int pid, const char *comm, struct buf *out)
{
	buf_printf(out, "<column name=\"%s\">", column);
	host_command(pid, comm, out);
	buf_puts(out, "</column>\n");
}

/* Calls @put with the number of each process and its /proc/PID/stat. */
static struct err *each_process(struct buf *out, void *arg,
				bool (*put)(unsigned int pid, const struct host_stat *st, void *arg,
					    struct buf *out))
{
	_cleanup_host_ids_ struct host_ids pids = { 0 };
	bool ok = host_list("/proc", &pids);
	struct host_stat st;

	for (size_t i = 0; ok && i < pids.n; i++)
		if (host_stat(pids.id[i], pids.id[i], &st))
			ok = put(pids.id[i], &st, arg, out);
	return ok ? NULL : &err_nomem;
}

static bool put_process(unsigned int pid, const struct host_stat *st, void *arg, struct buf *out)
{
	osdata_item(out);
	osdata_uint(out, "pid", pid);
	put_user(pid, arg, out);
	put_command("command", pid, st->comm, out);
	bool ok = put_cores(pid, out);
	osdata_item_end(out);
	return ok;
}

OSDATA(osdata_processes)
{
	_cleanup_host_names_ struct host_names users;
	(void)ctx;

	host_users(&users);
	osdata_begin(out, "processes");
	struct err *err = each_process(out, &users, put_process);
	osdata_end(out);
	return err;
}

static bool put_tasks(unsigned int pid, const struct host_stat *leader, void *arg, struct buf *out)
{
	_cleanup_host_ids_ struct host_ids tasks = { 0 };
	struct host_stat st;
	(void)arg;

	if (!list_tasks(pid, &tasks))
		return false;
	for (size_t i = 0; i < tasks.n; i++) {
		if (!host_stat(pid, tasks.id[i], &st))
			continue;
		osdata_item(out);
		osdata_uint(out, "pid", pid);
		osdata_text(out, "command", leader->comm);
		osdata_uint(out, "tid", tasks.id[i]);
		osdata_uint(out, "core", st.core);
		osdata_item_end(out);
	}
	return true;
}

OSDATA(osdata_threads)
{
	(void)ctx;
	osdata_begin(out, "threads");
	struct err *err = each_process(out, NULL, put_tasks);
	osdata_end(out);
	return err;
}

static bool put_files(unsigned int pid, const struct host_stat *st, void *arg, struct buf *out)
{
	_cleanup_host_ids_ struct host_ids fds = { 0 };
	char path[64], target[PATH_MAX];
	(void)arg;

	snprintf(path, sizeof(path), "/proc/%u/fd", pid);
	if (!host_list(path, &fds))
		return false;
	for (size_t i = 0; i < fds.n; i++) {
		snprintf(path, sizeof(path), "/proc/%u/fd/%u", pid, fds.id[i]);
		ssize_t n = readlink(path, target, sizeof(target) - 1);
		if (n < 0)
			continue;
		target[n] = '\0';
		osdata_item(out);
		osdata_uint(out, "pid", pid);
		osdata_text(out, "command", st->comm);
		osdata_uint(out, "file descriptor", fds.id[i]);
		osdata_text(out, "name", target);
		osdata_item_end(out);
	}
	return true;
}

OSDATA(osdata_files)
{
	(void)ctx;
	osdata_begin(out, "files");
	struct err *err = each_process(out, NULL, put_files);
	osdata_end(out);
	return err;
}

struct member {
	unsigned int pgid, pid;
	char comm[64];
};

struct members {
	struct member *member;
	size_t n, cap;
};

static bool add_member(unsigned int pid, const struct host_stat *st, void *arg, struct buf *out)
{
	struct members *l = arg;
	(void)out;

	if (!st->pgrp)
		return true; /* the kernel's own */
	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 64;
		struct member *more = reallocarray(l->member, cap, sizeof(*more));
		if (!more)
			return false;
		l->member = more;
		l->cap = cap;
	}
	l->member[l->n] = (struct member){ .pgid = st->pgrp, .pid = pid };
	memcpy(l->member[l->n++].comm, st->comm, sizeof(st->comm));
	return true;
}

/* By group; its leader, whose number it has, first. */
static int by_group(const void *a, const void *b)
{
	const struct member *x = a, *y = b;
	bool x_leads = x->pid == x->pgid, y_leads = y->pid == y->pgid;

	if (x->pgid != y->pgid)
		return x->pgid < y->pgid ? -1 : 1;
	if (x_leads != y_leads)
		return x_leads ? -1 : 1;
	return (x->pid > y->pid) - (x->pid < y->pid);
}

static void put_members(const struct members *l, struct buf *out)
{
	const struct member *leader = NULL;

	for (size_t i = 0; i < l->n; i++) {
		const struct member *m = &l->member[i];
		if (m->pid == m->pgid)
			leader = m;
		osdata_item(out);
		osdata_uint(out, "pgid", m->pgid);
		osdata_text(out, "leader command",
			    leader && leader->pgid == m->pgid ? leader->comm : "");
		osdata_uint(out, "pid", m->pid);
		put_command("command line", m->pid, m->comm, out);
		osdata_item_end(out);
	}
}

OSDATA(osdata_procgroups)
{
	struct members l = { 0 };
	(void)ctx;

	struct err *err = each_process(out, &l, add_member);
	if (l.n)
		qsort(l.member, l.n, sizeof(*l.member), by_group);
	osdata_begin(out, "process groups");
	put_members(&l, out);
	osdata_end(out);
	free(l.member);
	return err;
}
