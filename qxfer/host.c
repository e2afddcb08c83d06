/* SPDX-License-Identifier: MIT */
#include "qxfer/host.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define IDS_MAX	    (1u << 20)
#define NAMES_MAX   65536u
#define COMMAND_MAX 4096u

bool host_text(const char *path, struct buf *out)
{
	char chunk[16384];
	ssize_t n;
	size_t start = out->len;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	while ((n = read(fd, chunk, sizeof(chunk))) > 0 && out->len - start < HOST_FILE_MAX)
		buf_put(out, chunk, (size_t)n);
	close(fd);
	buf_put(out, "", 1);
	return n >= 0 && !out->failed;
}

void host_ids_deinit(struct host_ids *l)
{
	free(l->id);
	*l = (struct host_ids){ 0 };
}

static bool add_id(struct host_ids *l, unsigned int id)
{
	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 64;
		unsigned int *more = reallocarray(l->id, cap, sizeof(*more));
		if (!more)
			return false;
		l->id = more;
		l->cap = cap;
	}
	l->id[l->n++] = id;
	return true;
}

static int ascending(const void *a, const void *b)
{
	const unsigned int *x = a, *y = b;
	return (*x > *y) - (*x < *y);
}

bool host_list(const char *folder, struct host_ids *ret)
{
	DIR *dir = opendir(folder);
	bool ok = true;

	if (!dir)
		return true;
	for (const struct dirent *e; ok && ret->n < IDS_MAX && (e = readdir(dir));) {
		char *end;
		unsigned long id = strtoul(e->d_name, &end, 10);
		if (end != e->d_name && !*end)
			ok = add_id(ret, (unsigned int)id);
	}
	closedir(dir);
	if (ret->n)
		qsort(ret->id, ret->n, sizeof(*ret->id), ascending);
	return ok;
}

/* "PID (COMM) STATE PPID PGRP ...": COMM may have anything in it, ')' too. */
bool host_stat(unsigned int pid, unsigned int tid, struct host_stat *ret)
{
	_cleanup_buf_ struct buf text = { 0 };
	struct host_stat found = { 0 };
	char path[64];

	snprintf(path, sizeof(path), "/proc/%u/task/%u/stat", pid, tid);
	if (!host_text(path, &text))
		return false;
	char *open = strchr((char *)text.data, '('), *close = strrchr((char *)text.data, ')');
	if (!open || !close || close < open)
		return false;
	*close = '\0';
	snprintf(found.comm, sizeof(found.comm), "%s", open + 1);

	/* Fields are counted from 1; the one after COMM is 3. */
	unsigned int field = 3;
	char *save = NULL;
	for (char *p = strtok_r(close + 1, " \n", &save); p; p = strtok_r(NULL, " \n", &save)) {
		if (field == 5)
			found.pgrp = (unsigned int)strtoul(p, NULL, 10);
		if (field == 39)
			found.core = (unsigned int)strtoul(p, NULL, 10);
		field++;
	}
	*ret = found;
	return true;
}

void host_command(unsigned int pid, const char *comm, struct buf *out)
{
	char path[64], text[COMMAND_MAX];
	ssize_t n = -1;

	snprintf(path, sizeof(path), "/proc/%u/cmdline", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, text, sizeof(text) - 1);
		close(fd);
	}
	if (n <= 0) {
		snprintf(text, sizeof(text), "[%s]", comm);
		buf_put_xml(out, text);
		return;
	}
	while (n > 1 && text[n - 1] == '\0')
		n--;
	for (ssize_t i = 0; i < n; i++)
		if (text[i] == '\0')
			text[i] = ' ';
	text[n] = '\0';
	buf_put_xml(out, text);
}

void host_names_deinit(struct host_names *l)
{
	free(l->name);
	*l = (struct host_names){ 0 };
}

/* "NAME:PASSWORD:ID:..." of passwd and group alike; out of memory: the rest stay numbers. */
static bool add_name(struct host_names *l, char *line)
{
	char *save = NULL, *end;
	const char *name = strtok_r(line, ":", &save);
	const char *password = strtok_r(NULL, ":", &save), *id = strtok_r(NULL, ":", &save);

	if (!name || !password || !id)
		return true;
	unsigned long n = strtoul(id, &end, 10);
	if (end == id || l->n >= NAMES_MAX)
		return true;
	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 64;
		struct host_name *more = reallocarray(l->name, cap, sizeof(*more));
		if (!more)
			return false;
		l->name = more;
		l->cap = cap;
	}
	struct host_name *added = &l->name[l->n++];
	added->id = (unsigned int)n;
	snprintf(added->name, sizeof(added->name), "%s", name);
	return true;
}

static void read_names(const char *path, struct host_names *ret)
{
	_cleanup_buf_ struct buf text = { 0 };
	char *save = NULL;

	*ret = (struct host_names){ 0 };
	if (!host_text(path, &text))
		return;
	for (char *line = strtok_r((char *)text.data, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save))
		if (!add_name(ret, line))
			return;
}

void host_users(struct host_names *ret)
{
	read_names("/etc/passwd", ret);
}

void host_groups(struct host_names *ret)
{
	read_names("/etc/group", ret);
}

const char *host_name_of(const struct host_names *l, unsigned int id, char room[16])
{
	for (size_t i = 0; i < l->n; i++)
		if (l->name[i].id == id)
			return l->name[i].name;
	snprintf(room, 16, "%u", id);
	return room;
}
