/* SPDX-License-Identifier: MIT */
/*
 * waits: a thread blocked in each system call that can be blocked in.  `eintr[i]' counts
 * how often call i failed with EINTR, `odd[i]' any other end; `name[i]' is its name.
 * No signal is ever sent here, so every count stays 0 unless somebody disturbs it.
 */
#include <errno.h>
#include <linux/aio_abi.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define LONG_S 100000 /* nobody waits so long for a test */

static int epoll, quiet[2], semaphore, queue, pair[2], listener;
static aio_context_t aio;
static sigset_t usr1;

static long do_epoll_wait(void)
{
	struct epoll_event ev;
	return epoll_wait(epoll, &ev, 1, -1);
}

static long do_epoll_wait_timeout(void)
{
	struct epoll_event ev;
	return epoll_wait(epoll, &ev, 1, LONG_S * 1000);
}

static long do_epoll_pwait(void)
{
	struct epoll_event ev;
	return epoll_pwait(epoll, &ev, 1, -1, &usr1);
}

static long do_epoll_pwait2(void)
{
	struct epoll_event ev;
	struct timespec ts = { LONG_S, 0 };
	return syscall(SYS_epoll_pwait2, epoll, &ev, 1, &ts, NULL, 0);
}

static long do_semop(void)
{
	struct sembuf take = { 0, -1, 0 };
	return syscall(SYS_semop, semaphore, &take, 1); /* the C library has it call semtimedop */
}

static long do_semtimedop(void)
{
	struct sembuf take = { 0, -1, 0 };
	struct timespec ts = { LONG_S, 0 };
	return semtimedop(semaphore, &take, 1, &ts);
}

static long do_sigwaitinfo(void)
{
	return sigwaitinfo(&usr1, NULL);
}

static long do_sigtimedwait(void)
{
	struct timespec ts = { LONG_S, 0 };
	return sigtimedwait(&usr1, NULL, &ts);
}

static long do_io_getevents(void)
{
	struct io_event ev;
	return syscall(SYS_io_getevents, aio, 1L, 1L, &ev, NULL);
}

static long do_recv(void)
{
	char byte;
	return recv(pair[0], &byte, 1, 0);
}

static long do_read_socket(void)
{
	char byte;
	return read(pair[0], &byte, 1);
}

static long do_recvmsg(void)
{
	char byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	return recvmsg(pair[0], &msg, 0);
}

static long do_accept(void)
{
	return accept(listener, NULL, NULL);
}

static long do_read_pipe(void)
{
	char byte;
	return read(quiet[0], &byte, 1);
}

static long do_poll(void)
{
	struct pollfd fd = { .fd = quiet[0], .events = POLLIN };
	return poll(&fd, 1, -1);
}

static long do_ppoll(void)
{
	struct pollfd fd = { .fd = quiet[0], .events = POLLIN };
	struct timespec ts = { LONG_S, 0 };
	return ppoll(&fd, 1, &ts, NULL);
}

static long do_select(void)
{
	fd_set set;
	FD_ZERO(&set);
	FD_SET(quiet[0], &set);
	return select(quiet[0] + 1, &set, NULL, NULL, NULL);
}

static long do_nanosleep(void)
{
	struct timespec ts = { LONG_S, 0 };
	return nanosleep(&ts, NULL);
}

static long do_clock_nanosleep(void)
{
	struct timespec ts = { LONG_S, 0 };
	return -clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL);
}

static long do_msgrcv(void)
{
	struct {
		long type;
		char text[8];
	} message;
	return msgrcv(queue, &message, sizeof(message.text), 0, 0);
}

static long do_futex(void)
{
	int word = 0;
	struct timespec ts = { LONG_S, 0 };
	return syscall(SYS_futex, &word, 0, 0, &ts);
}

static long do_pause(void)
{
	return pause();
}

static long do_eventfd(void)
{
	unsigned long value;
	return read(eventfd(0, 0), &value, sizeof(value));
}

static long do_timerfd(void)
{
	unsigned long value;
	return read(timerfd_create(CLOCK_MONOTONIC, 0), &value, sizeof(value));
}

static long do_inotify(void)
{
	char event[512];
	return read(inotify_init(), event, sizeof(event));
}

static const struct {
	const char *name;
	long (*call)(void);
} calls[] = {
	{ "epoll_wait", do_epoll_wait },
	{ "epoll_wait_timeout", do_epoll_wait_timeout },
	{ "epoll_pwait", do_epoll_pwait },
	{ "epoll_pwait2", do_epoll_pwait2 },
	{ "semop", do_semop },
	{ "semtimedop", do_semtimedop },
	{ "sigwaitinfo", do_sigwaitinfo },
	{ "sigtimedwait", do_sigtimedwait },
	{ "io_getevents", do_io_getevents },
	{ "recv_timeout", do_recv },
	{ "read_socket_timeout", do_read_socket },
	{ "recvmsg_timeout", do_recvmsg },
	{ "accept_timeout", do_accept },
	{ "read_pipe", do_read_pipe },
	{ "poll", do_poll },
	{ "ppoll", do_ppoll },
	{ "select", do_select },
	{ "nanosleep", do_nanosleep },
	{ "clock_nanosleep", do_clock_nanosleep },
	{ "msgrcv", do_msgrcv },
	{ "futex", do_futex },
	{ "pause", do_pause },
	{ "eventfd", do_eventfd },
	{ "timerfd", do_timerfd },
	{ "inotify", do_inotify },
};
#define CALLS (sizeof(calls) / sizeof(calls[0]))

char name[64][32];
volatile unsigned long ncalls, eintr[64], odd[64], blocked;

static void *wait_for_ever(void *arg)
{
	size_t i = (size_t)arg;

	__atomic_add_fetch(&blocked, 1, __ATOMIC_SEQ_CST);
	for (;;) {
		long ret = calls[i].call();
		if (ret == -EINTR || (ret == -1 && errno == EINTR)) {
			eintr[i]++;
			continue;
		}
		odd[i]++;
		usleep(1000);
	}
	return NULL;
}

static int prepare(void)
{
	struct timeval tv = { LONG_S, 0 };
	struct sockaddr_un sa = { .sun_family = AF_UNIX }; /* bound to a name the kernel gives */

	(void)unshare(CLONE_NEWIPC); /* takes the semaphore and the queue away with us */
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	sigprocmask(SIG_BLOCK, &usr1, NULL);
	epoll = epoll_create1(0);
	semaphore = semget(IPC_PRIVATE, 1, 0600);
	queue = msgget(IPC_PRIVATE, 0600);
	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	if (epoll < 0 || semaphore < 0 || queue < 0 || pipe(quiet) != 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0 ||
	    bind(listener, (struct sockaddr *)&sa, sizeof(sa.sun_family)) != 0 ||
	    listen(listener, 1) != 0 || syscall(SYS_io_setup, 4, &aio) != 0)
		return -1;
	setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	return 0;
}

int main(void)
{
	if (prepare() != 0) {
		perror("waits");
		return 1;
	}
	for (size_t i = 0; i < CALLS; i++) {
		pthread_t thread;
		strcpy(name[i], calls[i].name);
		pthread_create(&thread, NULL, wait_for_ever, (void *)i);
	}
	ncalls = CALLS;
	for (;;)
		sleep(LONG_S);
}
