/* SPDX-License-Identifier: MIT */
#include "stub/act_talk.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stub/base/io.h"

#define TICK_MS	      50
#define HINT_MS	      2000
#define LEAVE_MS      300
#define INTERRUPT     '\3' /* as a byte, from a client that has no signals to send */
#define WRITE_LIMIT_S 30

struct act_job act_talk_job(const char *thread, bool official)
{
	return (struct act_job){ .source = act_pdb,
				 .size = strlen(act_pdb),
				 .name = "<archerfish pdb>",
				 .bridge = true,
				 .official = official,
				 .thread = thread };
}

/* ---- carrying ---- */

static void hang_up(struct act_talk *t)
{
	if (t->link >= 0)
		close(t->link);
	t->link = -1;
	t->closed = true;
}

/* What pdb reads at its prompt; follow() sees to it that there is one. */
static void leave(struct act_talk *t)
{
	static const char text[] = "detach\n";

	t->input_over = true;
	if (t->link >= 0 && !write_all(t->link, text, sizeof(text) - 1))
		hang_up(t);
}

/* The user's Ctrl-C comes as a signal at a terminal of ours, else as a byte. */
static size_t take_interrupts(struct act_talk *t, char *text, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		if (text[i] == INTERRUPT)
			t->interrupted = true;
		else
			text[kept++] = text[i];
	}
	return kept;
}

/* The end of the input, and Ctrl-D, is a detach. */
static void take_input(struct act_talk *t)
{
	char text[4096];
	ssize_t n = read(t->in, text, sizeof(text));

	if (n <= 0) {
		(void)write_all(t->out, "\n", 1);
		leave(t);
		return;
	}
	size_t kept = take_interrupts(t, text, (size_t)n);
	if (kept && !write_all(t->link, text, kept))
		hang_up(t);
}

static void take_output(struct act_talk *t)
{
	char text[4096];
	ssize_t n = read(t->link, text, sizeof(text));

	if (n <= 0) {
		hang_up(t);
	} else if (!write_all(t->out, text, (size_t)n)) {
		leave(t);
	}
}

static void take_signal(struct act_talk *t)
{
	struct signalfd_siginfo info;

	if (read(t->signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	if (info.ssi_signo == SIGINT)
		t->interrupted = true;
	else
		leave(t);
}

static void carry(struct act_talk *t, int ms)
{
	struct pollfd fds[] = {
		{ .fd = t->signals, .events = POLLIN },
		{ .fd = t->link, .events = POLLIN },
		{ .fd = t->link >= 0 && !t->input_over ? t->in : -1, .events = POLLIN },
	};

	if (poll(fds, sizeof(fds) / sizeof(fds[0]), ms) <= 0)
		return;
	if (fds[0].revents)
		take_signal(t);
	if (fds[1].revents && t->link >= 0)
		take_output(t);
	if (fds[2].revents && t->link >= 0)
		take_input(t);
}

static void take_link(struct act_talk *t, unsigned int ms)
{
	static const char hint[] = "Waiting for the thread to come by; Ctrl-C gives up\n";

	t->link = act_take_link(&t->run->act);
	if (t->link >= 0 && !write_all(t->link, "\n", 1))
		hang_up(t);
	t->waited_ms += ms + 1;
	if (!t->hinted && t->link < 0 && t->waited_ms >= HINT_MS) {
		t->hinted = true;
		(void)write_all(t->signals >= 0 ? STDERR_FILENO : t->out, hint, sizeof(hint) - 1);
	}
}

/* While the script runs, which is as long as pdb's prompt is there for the first time. */
bool act_talk_pause(struct act_talk *t, unsigned int ms)
{
	if (t->link < 0 && !t->closed) {
		take_link(t, ms);
		t->gives_up |= t->interrupted || t->input_over;
	}
	carry(t, t->link >= 0 ? TICK_MS : (int)ms + 1);
	if (t->look && t->look(t->look_arg))
		return true;
	return t->gives_up || (t->closed && t->interrupted);
}

static struct err *run_once(struct act_talk *t, struct err *(*once)(void *arg), void *arg)
{
	t->interrupted = false;
	struct err *err = once(arg);
	t->interrupted = false; /* at a prompt it meant nothing */
	return err;
}

/* The program runs under pdb; Ctrl-C has the prompt come back where it is. */
struct err *act_talk_follow(struct act_talk *t, struct err *(*once)(void *arg), void *arg)
{
	struct err *err = run_once(t, once, arg);

	while (!err && !t->closed) {
		carry(t, t->input_over ? LEAVE_MS : t->look ? TICK_MS : -1);
		if (t->look && t->look(t->look_arg))
			break;
		if ((t->interrupted || t->input_over) && !t->closed)
			err = run_once(t, once, arg);
	}
	/* It ended, and the connection with it: that is no failure of ours. */
	if (err && t->closed && err->code == ERR_STATE) {
		fprintf(stderr, "%s\n", err->msg);
		err_drop(err);
		err = NULL;
	}
	if (t->link >= 0)
		close(t->link);
	t->link = -1;
	return err;
}

/* ---- a client that comes ---- */

struct end {
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} addr;
	socklen_t len;
};

static bool is_loopback(const struct end *e)
{
	if (e->addr.any.sa_family == AF_INET)
		return (ntohl(e->addr.v4.sin_addr.s_addr) >> 24) == 127;
	return e->addr.any.sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&e->addr.v6.sin6_addr);
}

static unsigned int port_of(const struct end *e)
{
	return ntohs(e->addr.any.sa_family == AF_INET ? e->addr.v4.sin_port : e->addr.v6.sin6_port);
}

struct err *act_talk_listen(const char *address, struct listener *ret, struct buf *said)
{
	struct end own = { .len = sizeof(own.addr) };

	if (strncmp(address, "unix:", 5) != 0 && !strchr(address, ':'))
		return err_new(ERR_BAD_DATA, "%.60s: neither unix:PATH nor HOST:PORT", address);
	if (strncmp(address, "fd:", 3) == 0 || *address == '/')
		return err_new(ERR_BAD_DATA, "pdb is reached by unix:PATH or HOST:PORT");
	struct err *err = listener_open(address, ret);
	if (err)
		return err;
	if (ret->unlink_path) {
		buf_printf(said, "nc -U %s", ret->unlink_path);
		return NULL;
	}
	if (getsockname(ret->fd, &own.addr.any, &own.len) != 0 || !is_loopback(&own)) {
		listener_close(ret);
		return err_new(ERR_STATE, "pdb listens at the loopback alone: who reaches it can "
					  "do what the program can");
	}
	buf_printf(said, "nc %s %u", own.addr.any.sa_family == AF_INET ? "127.0.0.1" : "::1",
		   port_of(&own));
	return NULL;
}

/* A row of /proc/net/tcp (proc(5)): "sl local_address rem_address st .. uid", the user's ports. */
static bool find_user(const char *table, const struct end *theirs, const struct end *ours,
		      uid_t *ret)
{
	char line[512], local[64], remote[64];
	FILE *f = fopen(table, "re");
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f)) {
		unsigned int lport, rport, uid;
		if (sscanf(line, " %*d: %63[0-9A-F]:%x %63[0-9A-F]:%x %*x %*x:%*x %*x:%*x %*x %u",
			   local, &lport, remote, &rport, &uid) != 5)
			continue;
		found = lport == port_of(theirs) && rport == port_of(ours);
		if (found)
			*ret = uid;
	}
	if (f)
		fclose(f);
	return found;
}

/* Whether the peer is the same user as we, or root. */
static bool may_come(int fd)
{
	struct end ours = { .len = sizeof(ours.addr) }, theirs = { .len = sizeof(theirs.addr) };
	struct ucred cred = { 0 };
	socklen_t len = sizeof(cred);
	uid_t uid;

	if (getsockname(fd, &ours.addr.any, &ours.len) != 0 ||
	    getpeername(fd, &theirs.addr.any, &theirs.len) != 0)
		return false;
	if (ours.addr.any.sa_family == AF_UNIX) {
		if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0)
			return false;
		uid = cred.uid;
	} else if (!is_loopback(&theirs) ||
		   !find_user(ours.addr.any.sa_family == AF_INET ? "/proc/net/tcp"
								 : "/proc/net/tcp6",
			      &theirs, &ours, &uid)) {
		return false;
	}
	return uid == geteuid() || !uid;
}

static bool is_enough(const struct act_talk *t)
{
	struct signalfd_siginfo info;

	if (t->signals >= 0 && read(t->signals, &info, sizeof(info)) > 0)
		return true;
	return t->look && t->look(t->look_arg);
}

struct err *act_talk_accept(struct listener *l, unsigned int limit_ms, const struct act_talk *t,
			    int *ret)
{
	const struct timeval limit = { WRITE_LIMIT_S, 0 };

	for (unsigned int ms = 0; ms < limit_ms; ms += TICK_MS) {
		struct pollfd fds[] = { { .fd = l->fd, .events = POLLIN },
					{ .fd = t->signals, .events = POLLIN } };
		(void)poll(fds, 2, TICK_MS);
		if (is_enough(t))
			return err_new(ERR_STATE, "given up before a client came");
		int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			continue;
		if (may_come(fd)) {
			(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
			*ret = fd;
			return NULL;
		}
		fprintf(stderr, "archerfish: a client of another user was turned away\n");
		close(fd);
	}
	return err_new(ERR_STATE, "no client came in %u s", limit_ms / 1000);
}
