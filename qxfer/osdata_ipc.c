/* SPDX-License-Identifier: MIT */
/* osdata: System V message queues, semaphores and shared memory, of /proc/sysvipc. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "qxfer/host.h"
#include "qxfer/osdata.h"

#define FIELDS_MAX 20u

enum kind { NUMBER, COMMAND, USER, GROUP, TIME };

/* A column, and which word of the kernel's line it is made of. */
struct ipc_column {
	const char *name;
	unsigned int word;
	enum kind kind;
};

struct ipc_table {
	const char *path, *type;
	const struct ipc_column *columns;
	size_t ncolumns;
};

struct names {
	struct host_names users, groups;
};

static void put_time(const char *column, unsigned long when, struct buf *out)
{
	char text[64] = "";
	time_t t = (time_t)when;
	struct tm tm;

	/* 0: it has not happened. */
	if (when && localtime_r(&t, &tm))
		strftime(text, sizeof(text), "%a %b %e %H:%M:%S %Y", &tm);
	osdata_text(out, column, text);
}

/* The process may be long gone. */
static void put_comm(const char *column, unsigned int pid, struct buf *out)
{
	struct host_stat st = { 0 };
	if (!pid || !host_stat(pid, pid, &st))
		st.comm[0] = '\0';
	osdata_text(out, column, st.comm);
}

static void put_column(const struct ipc_column *c, const char *word, const struct names *names,
		       struct buf *out)
{
	unsigned long n = strtoul(word, NULL, 10);
	char room[16];

	switch (c->kind) {
	case NUMBER:
		osdata_text(out, c->name, word);
		break;
	case COMMAND:
		put_comm(c->name, (unsigned int)n, out);
		break;
	case USER:
		osdata_text(out, c->name, host_name_of(&names->users, (unsigned int)n, room));
		break;
	case GROUP:
		osdata_text(out, c->name, host_name_of(&names->groups, (unsigned int)n, room));
		break;
	case TIME:
		put_time(c->name, n, out);
		break;
	}
}

static void put_line(const struct ipc_table *t, char *line, const struct names *names,
		     struct buf *out)
{
	const char *word[FIELDS_MAX] = { NULL };
	char *save = NULL;
	unsigned int n = 0;

	for (char *p = strtok_r(line, " ", &save); p && n < FIELDS_MAX;
	     p = strtok_r(NULL, " ", &save))
		word[n++] = p;
	osdata_item(out);
	for (size_t i = 0; i < t->ncolumns; i++)
		if (word[t->columns[i].word])
			put_column(&t->columns[i], word[t->columns[i].word], names, out);
	osdata_item_end(out);
}

static struct err *put_table(const struct ipc_table *t, struct buf *out)
{
	_cleanup_buf_ struct buf text = { 0 };
	struct names names;
	char *save = NULL;

	host_users(&names.users);
	host_groups(&names.groups);
	osdata_begin(out, t->type);
	/* A kernel without System V IPC has no such file, and no rows. */
	char *line = host_text(t->path, &text) ? strtok_r((char *)text.data, "\n", &save) : NULL;
	while (line && (line = strtok_r(NULL, "\n", &save))) /* the first one is a heading */
		put_line(t, line, &names, out);
	osdata_end(out);
	host_names_deinit(&names.users);
	host_names_deinit(&names.groups);
	return NULL;
}

#define TABLE(var, file, name, cols)                                             \
	static const struct ipc_table var = { "/proc/sysvipc/" file, name, cols, \
					      sizeof(cols) / sizeof((cols)[0]) }

/* key msqid perms cbytes qnum lspid lrpid uid gid cuid cgid stime rtime ctime */
static const struct ipc_column msg_columns[] = {
	{ "key", 0, NUMBER },
	{ "msqid", 1, NUMBER },
	{ "permissions", 2, NUMBER },
	{ "num used bytes", 3, NUMBER },
	{ "num messages", 4, NUMBER },
	{ "last msgsnd() command", 5, COMMAND },
	{ "last msgrcv() command", 6, COMMAND },
	{ "user", 7, USER },
	{ "group", 8, GROUP },
	{ "creator user", 9, USER },
	{ "creator group", 10, GROUP },
	{ "last msgsnd() time", 11, TIME },
	{ "last msgrcv() time", 12, TIME },
	{ "last msgctl() time", 13, TIME },
};
TABLE(msg_table, "msg", "message queues", msg_columns);

/* key semid perms nsems uid gid cuid cgid otime ctime */
static const struct ipc_column sem_columns[] = {
	{ "key", 0, NUMBER },
	{ "semid", 1, NUMBER },
	{ "permissions", 2, NUMBER },
	{ "num semaphores", 3, NUMBER },
	{ "user", 4, USER },
	{ "group", 5, GROUP },
	{ "creator user", 6, USER },
	{ "creator group", 7, GROUP },
	{ "last semop() time", 8, TIME },
	{ "last semctl() time", 9, TIME },
};
TABLE(sem_table, "sem", "semaphores", sem_columns);

/* key shmid perms size cpid lpid nattch uid gid cuid cgid atime dtime ctime rss swap */
static const struct ipc_column shm_columns[] = {
	{ "key", 0, NUMBER },
	{ "shmid", 1, NUMBER },
	{ "permissions", 2, NUMBER },
	{ "size", 3, NUMBER },
	{ "creator command", 4, COMMAND },
	{ "last op. command", 5, COMMAND },
	{ "num attached", 6, NUMBER },
	{ "user", 7, USER },
	{ "group", 8, GROUP },
	{ "creator user", 9, USER },
	{ "creator group", 10, GROUP },
	{ "last shmat() time", 11, TIME },
	{ "last shmdt() time", 12, TIME },
	{ "last shmctl() time", 13, TIME },
};
TABLE(shm_table, "shm", "shared memory", shm_columns);

OSDATA(osdata_msg)
{
	(void)ctx;
	return put_table(&msg_table, out);
}

OSDATA(osdata_semaphores)
{
	(void)ctx;
	return put_table(&sem_table, out);
}

OSDATA(osdata_shm)
{
	(void)ctx;
	return put_table(&shm_table, out);
}
