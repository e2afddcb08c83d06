/* SPDX-License-Identifier: MIT */
#include "stub/loop.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_SIZE (256u << 10)

struct loop {
	struct session *session;
	struct listener *listener;
	struct conn conn;
	int epoll, signals;
	bool open;	    /* a client is connected */
	uint32_t interest;  /* what of the client we wait for */
	bool attentive;	    /* the client has said something just now */
	unsigned int turns; /* counts waits for it alone */
	bool quit;
};

#define QUICK_TURNS 64u

enum { TAG_LISTEN, TAG_SIGNAL, TAG_IN, TAG_OUT };

static void our_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGCHLD);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGHUP);
}

void loop_block_signals(struct live_inherit *inherited)
{
	sigset_t set;
	our_signals(&set);
	sigprocmask(SIG_BLOCK, &set, &inherited->mask);
	inherited->ignores_pipe = signal(SIGPIPE, SIG_IGN) == SIG_IGN;
}

/* nohup and the shell's & ask for it. */
static bool is_ignored(int signo)
{
	struct sigaction sa;
	return sigaction(signo, NULL, &sa) == 0 && sa.sa_handler == SIG_IGN;
}

/* Files that epoll does not take (a regular file as stdin) are always ready; nobody uses them so. */
static void watch(struct loop *lp, int op, int fd, uint32_t events, uint64_t tag)
{
	struct epoll_event ev = { .events = events, .data.u64 = tag };
	(void)epoll_ctl(lp->epoll, op, fd, &ev);
}

static bool one_descriptor(const struct loop *lp)
{
	return lp->conn.in == lp->conn.out;
}

/* Wakes for what can be done: not for input while the peer reads none of its replies. */
static void watch_client(struct loop *lp, bool in, bool out)
{
	uint32_t input = in ? EPOLLIN : 0u, output = out ? EPOLLOUT : 0u;
	bool had_output = lp->interest & EPOLLOUT;

	if (lp->interest == (input | output))
		return;
	lp->interest = input | output;
	if (one_descriptor(lp)) {
		watch(lp, EPOLL_CTL_MOD, lp->conn.in, input | output, TAG_IN);
		return;
	}
	watch(lp, EPOLL_CTL_MOD, lp->conn.in, input, TAG_IN);
	if (had_output != out)
		watch(lp, out ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, lp->conn.out, EPOLLOUT, TAG_OUT);
}

static void close_client(struct loop *lp)
{
	struct session *s = lp->session;
	struct options const *o = s->options;

	watch_client(lp, false, false);
	watch(lp, EPOLL_CTL_DEL, lp->conn.in, 0, TAG_IN);
	conn_close(&lp->conn);
	lp->open = false;
	session_close(s);
	if (s->end == SESSION_QUIT || o->once || lp->listener->fd < 0 ||
	    (!s->extended && !o->multi && !session_has_process(s))) {
		lp->quit = true;
		return;
	}
	fprintf(stderr, "Remote side has terminated connection.  "
			"The stub will reopen the connection.\n");
	watch(lp, EPOLL_CTL_ADD, lp->listener->fd, EPOLLIN, TAG_LISTEN);
}

static void open_client(struct loop *lp)
{
	if (lp->open || !conn_accept(lp->listener, &lp->conn))
		return;
	lp->open = true;
	lp->interest = EPOLLIN;
	if (lp->listener->fd >= 0)
		watch(lp, EPOLL_CTL_DEL, lp->listener->fd, 0, TAG_LISTEN);
	watch(lp, EPOLL_CTL_ADD, lp->conn.in, EPOLLIN, TAG_IN);
	session_open(lp->session);
}

/* Sends what is owed; the rest when the peer has read some. */
static void flush(struct loop *lp)
{
	struct buf *tx = &lp->session->tx;
	size_t done = 0;

	if (tx->failed) {
		lp->session->end = SESSION_LEFT;
		return;
	}
	while (done < tx->len) {
		ssize_t n = conn_write(&lp->conn, tx->data + done, tx->len - done);
		if (n < 0) {
			lp->session->end = SESSION_LEFT;
			done = tx->len;
		}
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	if (done)
		memmove(tx->data, tx->data + done, tx->len - done);
	tx->len -= done;
	watch_client(lp, session_wants_input(lp->session), tx->len > 0);
}

/* For a request that takes long: what it has said is sent, and whether it is still wanted. */
static bool push(void *arg)
{
	struct loop *lp = arg;
	sigset_t pending;
	char byte;

	flush(lp);
	if (sigpending(&pending) == 0 &&
	    (sigismember(&pending, SIGTERM) || sigismember(&pending, SIGINT) ||
	     sigismember(&pending, SIGHUP)))
		return false;
	ssize_t n = recv(lp->conn.in, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	return lp->session->end == SESSION_OPEN && n && (n < 0 || byte != '\3');
}

/* Requests that waited for their replies to find room. */
static void answer(struct loop *lp)
{
	const struct session *s = lp->session;
	size_t waiting;

	flush(lp);
	do {
		waiting = s->rx.len;
		session_feed(lp->session, NULL, 0);
		flush(lp);
	} while (s->rx.len < waiting);
}

static void read_client(struct loop *lp, ssize_t (*how)(struct conn *c, void *buf, size_t len))
{
	uint8_t bytes[READ_SIZE];
	ssize_t n = how(&lp->conn, bytes, sizeof(bytes));

	lp->attentive = n > 0;
	if (n < 0)
		lp->session->end = SESSION_LEFT;
	else if (n > 0)
		session_feed(lp->session, bytes, (size_t)n);
}

/*
 * Nothing but the client's next request can come: waiting for that in recv() is half the system
 * calls of waiting in epoll_wait().  Every so often the rest (signals to us) is looked at.
 */
static bool waits_for_client(struct loop *lp)
{
	const struct session *s = lp->session;

	return lp->open && lp->attentive && lp->conn.accepted && session_rests(s) &&
	       s->tx.len == 0 && ++lp->turns % QUICK_TURNS != 0;
}

static void read_signals(struct loop *lp)
{
	struct signalfd_siginfo info;

	while (read(lp->signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
		if (info.ssi_signo != SIGCHLD && !is_ignored((int)info.ssi_signo))
			lp->quit = true;
	session_target_event(lp->session);
}

static void handle(struct loop *lp, const struct epoll_event *ev)
{
	switch (ev->data.u64) {
	case TAG_LISTEN:
		open_client(lp);
		break;
	case TAG_SIGNAL:
		read_signals(lp);
		break;
	case TAG_IN:
		if (lp->open && (ev->events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
			read_client(lp, conn_read);
		break;
	default: /* TAG_OUT: only flush() */
		break;
	}
}

/* What the client has asked is answered, or it has left. */
static void attend(struct loop *lp)
{
	if (!lp->open)
		return;
	answer(lp);
	if (lp->session->end)
		close_client(lp);
}

static void serve(struct loop *lp)
{
	struct epoll_event ev[8];

	while (!lp->quit) {
		if (waits_for_client(lp)) {
			read_client(lp, conn_read_soon);
			attend(lp);
			continue;
		}
		int n = epoll_wait(lp->epoll, ev, 8, session_wait_ms(lp->session));
		if (n < 0 && errno != EINTR)
			break;
		if (n == 0)
			session_target_event(lp->session);
		for (int i = 0; i < n; i++)
			handle(lp, &ev[i]);
		attend(lp);
	}
}

int loop_run(struct session *s, struct listener *l)
{
	struct loop lp = { .session = s, .listener = l, .conn = { .in = -1, .out = -1 } };
	sigset_t set;

	s->push = push;
	s->push_arg = &lp;
	our_signals(&set);
	lp.epoll = epoll_create1(EPOLL_CLOEXEC);
	lp.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (lp.epoll < 0 || lp.signals < 0) {
		perror("archerfish: event loop");
		return 1;
	}
	watch(&lp, EPOLL_CTL_ADD, lp.signals, EPOLLIN, TAG_SIGNAL);
	if (l->fd >= 0)
		watch(&lp, EPOLL_CTL_ADD, l->fd, EPOLLIN, TAG_LISTEN);
	else
		open_client(&lp);
	serve(&lp);
	if (lp.open) {
		flush(&lp);
		conn_close(&lp.conn);
		session_close(s);
	}
	s->push = NULL;
	close(lp.signals);
	close(lp.epoll);
	return 0;
}
