/* SPDX-License-Identifier: MIT */
/*
 * What the machine allows when no stub is in the way: limits WHAT WORK [N] prints one number.
 * WORK is the program of work.c.
 *
 *	loopback, unix			MB/s through a socket
 *	roundtrips			11 bytes there and back, a second
 *	readv, writev, mem, mem8	memory of another process: MB/s, or reads of 8 bytes a second
 *	getregs				a second
 *	step				PTRACE_SINGLESTEP and waitpid(), a second
 *	hits				trap, removed, stepped over, put back: a second
 *	emulate				trap, registers read, its push emulated, continued: a second
 *	attach N			seize, interrupt and wait for N threads, ms
 *	cycle N				continue and stop N threads, ms
 *	names N				/proc's comm of N threads, ms
 *	file				100 MB by pread(), MB/s
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* ---- the program ---- */

struct program {
	pid_t pid;
	uint64_t mem, hot;
};

static uint64_t field(const char *line, const char *name)
{
	char pattern[64];
	snprintf(pattern, sizeof(pattern), "\"%s\":", name);
	const char *at = strstr(line, pattern);
	return at ? strtoull(at + strlen(pattern), NULL, 10) : 0;
}

static struct program start(const char *work, const char *mode, const char *arg)
{
	char line[1024];
	int out[2];

	if (pipe(out) != 0)
		die("pipe");
	pid_t pid = fork();
	if (pid == 0) {
		dup2(out[1], STDOUT_FILENO);
		close(out[0]);
		close(out[1]);
		execl(work, work, mode, arg, (char *)NULL);
		_exit(127);
	}
	close(out[1]);
	ssize_t n = read(out[0], line, sizeof(line) - 1); /* it is one write() */
	if (n <= 0)
		die(work);
	line[n] = '\0';
	close(out[0]);
	return (struct program){ pid, field(line, "mem"), field(line, "hot") };
}

static void finish(const struct program *p)
{
	kill(p->pid, SIGKILL);
	while (waitpid(-1, NULL, __WALL) > 0)
		;
}

static void stop(pid_t tid)
{
	if (ptrace(PTRACE_INTERRUPT, tid, 0, 0) != 0 || waitpid(tid, NULL, __WALL) != tid)
		die("stop");
}

static void seize(pid_t tid)
{
	if (ptrace(PTRACE_SEIZE, tid, 0, 0) != 0)
		die("seize");
}

static void resume(int how, pid_t tid)
{
	if (ptrace(how, tid, 0, 0) != 0 || waitpid(tid, NULL, __WALL) != tid)
		die("resume");
}

/* ---- sockets ---- */

static void tcp_pair(int *a, int *b)
{
	int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
	struct sockaddr_in sa = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sa);

	if (bind(listener, (void *)&sa, len) != 0 || listen(listener, 1) != 0 ||
	    getsockname(listener, (void *)&sa, &len) != 0)
		die("listen");
	*a = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(*a, (void *)&sa, len) != 0)
		die("connect");
	*b = accept(listener, NULL, NULL);
	close(listener);
	setsockopt(*a, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(*b, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

static void *writes(void *arg)
{
	size_t left = 512 * MIB, chunk = 256 << 10;
	char *buf = calloc(1, chunk);

	while (left) {
		ssize_t n = write(*(int *)arg, buf, left < chunk ? left : chunk);
		if (n <= 0)
			die("write");
		left -= (size_t)n;
	}
	free(buf);
	return NULL;
}

static double stream(int from, int to)
{
	size_t left = 512 * MIB, chunk = 256 << 10;
	char *buf = malloc(chunk);
	pthread_t writer;
	double began = now();

	pthread_create(&writer, NULL, writes, &from);
	while (left) {
		ssize_t n = read(to, buf, chunk);
		if (n <= 0)
			die("read");
		left -= (size_t)n;
	}
	pthread_join(writer, NULL);
	free(buf);
	return 512.0 * (double)MIB / 1e6 / (now() - began);
}

static double loopback(const char *work, const char *arg)
{
	int a, b;
	(void)work;
	(void)arg;
	tcp_pair(&a, &b);
	return stream(a, b);
}

static double unix_socket(const char *work, const char *arg)
{
	int sv[2];
	(void)work;
	(void)arg;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sv) != 0)
		die("socketpair");
	return stream(sv[0], sv[1]);
}

static void *echoes(void *arg)
{
	char buf[256];
	ssize_t n;

	while ((n = read(*(int *)arg, buf, sizeof(buf))) > 0)
		if (write(*(int *)arg, buf, (size_t)n) != n)
			break;
	return NULL;
}

static double roundtrips(const char *work, const char *arg)
{
	char buf[256];
	int a, b, count = 20000;
	pthread_t thread;

	(void)work;
	(void)arg;
	tcp_pair(&a, &b);
	pthread_create(&thread, NULL, echoes, &b);
	double began = now();
	for (int i = 0; i < count; i++) {
		if (write(a, "$m7fff,8#00", 11) != 11)
			die("write");
		for (size_t got = 0; got < 11;) {
			ssize_t n = read(a, buf, sizeof(buf));
			if (n <= 0)
				die("read");
			got += (size_t)n;
		}
	}
	return count / (now() - began);
}

/* ---- memory and registers ---- */

enum memory_way { BY_READV, BY_WRITEV, BY_FILE };

static double memory(const char *work, enum memory_way way, size_t chunk, size_t size)
{
	struct program p = start(work, "mem", "256");
	char path[64], *buf = calloc(1, chunk);
	double began = 0, took = 0;

	snprintf(path, sizeof(path), "/proc/%d/mem", p.pid);
	int mem = open(path, O_RDWR);
	seize(p.pid);
	stop(p.pid);
	for (int pass = 0; pass < 2; pass++) { /* the first finds the pages */
		began = now();
		for (size_t at = 0; at < size; at += chunk) {
			struct iovec l = { buf, chunk },
				     r = { (void *)(uintptr_t)(p.mem + at), chunk };
			ssize_t n = way == BY_READV ? process_vm_readv(p.pid, &l, 1, &r, 1, 0)
				    : way == BY_WRITEV
					    ? process_vm_writev(p.pid, &l, 1, &r, 1, 0)
					    : pread(mem, buf, chunk, (off_t)(p.mem + at));
			if (n != (ssize_t)chunk)
				die("memory");
		}
		took = now() - began;
	}
	finish(&p);
	return chunk < 64 ? (double)(size / chunk) / took : (double)size / 1e6 / took;
}

static double readv_speed(const char *work, const char *arg)
{
	(void)arg;
	return memory(work, BY_READV, MIB, 256 * MIB);
}

static double writev_speed(const char *work, const char *arg)
{
	(void)arg;
	return memory(work, BY_WRITEV, MIB, 256 * MIB);
}

static double mem_speed(const char *work, const char *arg)
{
	(void)arg;
	return memory(work, BY_FILE, MIB, 256 * MIB);
}

static double mem8(const char *work, const char *arg)
{
	(void)arg;
	return memory(work, BY_FILE, 8, MIB);
}

static double getregs(const char *work, const char *arg)
{
	struct program p = start(work, "mem", "1");
	struct user_regs_struct r;
	int count = 100000;

	(void)arg;
	seize(p.pid);
	stop(p.pid);
	double began = now();
	for (int i = 0; i < count; i++)
		if (ptrace(PTRACE_GETREGS, p.pid, 0, &r) != 0)
			die("getregs");
	double took = now() - began;
	finish(&p);
	return count / took;
}

/* ---- execution ---- */

static double step(const char *work, const char *arg)
{
	struct program p = start(work, "range", "100000");
	int count = 20000;

	(void)arg;
	seize(p.pid);
	stop(p.pid);
	double began = now();
	for (int i = 0; i < count; i++)
		resume(PTRACE_SINGLESTEP, p.pid);
	double took = now() - began;
	finish(&p);
	return count / took;
}

static void poke(pid_t pid, uint64_t addr, long word)
{
	if (ptrace(PTRACE_POKETEXT, pid, addr, word) != 0)
		die("poke");
}

static double at_a_trap(const char *work, bool emulate)
{
	struct program p = start(work, "hot", "1");
	int count = 20000;

	seize(p.pid);
	stop(p.pid);
	errno = 0;
	long was = ptrace(PTRACE_PEEKTEXT, p.pid, p.hot, 0), trap = (was & ~0xffl) | 0xcc;
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/mem", p.pid);
	int mem = open(path, O_RDWR);
	poke(p.pid, p.hot, trap);
	resume(PTRACE_CONT, p.pid);
	double began = now();
	for (int i = 0; i < count; i++) {
		struct user_regs_struct r;
		if (ptrace(PTRACE_GETREGS, p.pid, 0, &r) != 0 || r.rip != p.hot + 1)
			die("not at the trap");
		if (emulate) { /* push %rbx is one byte long, as the trap is */
			r.rsp -= 8;
			if (pwrite(mem, &r.rbx, 8, (off_t)r.rsp) != 8)
				die("push");
			(void)ptrace(PTRACE_SETREGS, p.pid, 0, &r);
		} else {
			r.rip = p.hot;
			(void)ptrace(PTRACE_SETREGS, p.pid, 0, &r);
			poke(p.pid, p.hot, was);
			resume(PTRACE_SINGLESTEP, p.pid);
			poke(p.pid, p.hot, trap);
		}
		resume(PTRACE_CONT, p.pid);
	}
	double took = now() - began;
	finish(&p);
	return count / took;
}

static double hits(const char *work, const char *arg)
{
	(void)arg;
	return at_a_trap(work, false);
}

static double emulate(const char *work, const char *arg)
{
	(void)arg;
	return at_a_trap(work, true);
}

/* ---- threads ---- */

struct threads {
	struct program program;
	pid_t *tid;
	size_t n;
};

static void list(struct threads *t, const char *arg)
{
	char path[64];
	struct dirent *entry;

	snprintf(path, sizeof(path), "/proc/%d/task", t->program.pid);
	DIR *dir = opendir(path);
	t->tid = calloc(strtoul(arg, NULL, 10) + 16, sizeof(*t->tid));
	t->n = 0;
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			t->tid[t->n++] = atoi(entry->d_name);
	closedir(dir);
}

static void attach_all(struct threads *t, const char *arg)
{
	list(t, arg);
	for (size_t i = 0; i < t->n; i++)
		seize(t->tid[i]);
	for (size_t i = 0; i < t->n; i++)
		(void)ptrace(PTRACE_INTERRUPT, t->tid[i], 0, 0);
	for (size_t i = 0; i < t->n; i++)
		if (waitpid(t->tid[i], NULL, __WALL) < 0)
			die("wait");
}

static double attach(const char *work, const char *arg)
{
	struct threads t = { .program = start(work, "threads", arg) };
	double began = now();

	attach_all(&t, arg);
	double took = now() - began;
	finish(&t.program);
	free(t.tid);
	return took * 1e3;
}

static double cycle(const char *work, const char *arg)
{
	struct threads t = { .program = start(work, "threads", arg) };
	int count = 10;

	attach_all(&t, arg);
	double began = now();
	for (int k = 0; k < count; k++) {
		for (size_t i = 0; i < t.n; i++)
			(void)ptrace(PTRACE_CONT, t.tid[i], 0, 0);
		for (size_t i = 0; i < t.n; i++)
			(void)ptrace(PTRACE_INTERRUPT, t.tid[i], 0, 0);
		for (size_t i = 0; i < t.n; i++)
			(void)waitpid(t.tid[i], NULL, __WALL);
	}
	double took = now() - began;
	finish(&t.program);
	free(t.tid);
	return took * 1e3 / count;
}

static double names(const char *work, const char *arg)
{
	struct threads t = { .program = start(work, "threads", arg) };
	char path[64], name[32];
	double began = now();

	list(&t, arg);
	for (size_t i = 0; i < t.n; i++) {
		snprintf(path, sizeof(path), "/proc/%d/task/%d/comm", t.program.pid, t.tid[i]);
		int file = open(path, O_RDONLY);
		if (file < 0 || read(file, name, sizeof(name)) <= 0)
			die(path);
		close(file);
	}
	double took = now() - began;
	finish(&t.program);
	free(t.tid);
	return took * 1e3;
}

/* ---- files ---- */

static double file(const char *work, const char *arg)
{
	char *buf = calloc(1, MIB), path[] = "/tmp/limits.XXXXXX";
	int f = mkstemp(path);

	(void)work;
	(void)arg;
	(void)unlink(path);
	for (int i = 0; i < 100; i++)
		if (write(f, buf, MIB) != (ssize_t)MIB)
			die("write");
	double began = now();
	for (int i = 0; i < 100; i++)
		if (pread(f, buf, MIB, (off_t)((size_t)i * MIB)) != (ssize_t)MIB)
			die("pread");
	double took = now() - began;
	close(f);
	free(buf);
	return 100.0 * (double)MIB / 1e6 / took;
}

static const struct {
	const char *name;
	double (*measure)(const char *work, const char *arg);
} limits[] = {
	{ "loopback", loopback }, { "unix", unix_socket },    { "roundtrips", roundtrips },
	{ "readv", readv_speed }, { "writev", writev_speed }, { "mem", mem_speed },
	{ "mem8", mem8 },	  { "getregs", getregs },     { "step", step },
	{ "hits", hits },	  { "emulate", emulate },     { "attach", attach },
	{ "cycle", cycle },	  { "names", names },	      { "file", file },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 2 && i < sizeof(limits) / sizeof(limits[0]); i++)
		if (strcmp(argv[1], limits[i].name) == 0) {
			printf("%.9g\n", limits[i].measure(argv[2], argc > 3 ? argv[3] : "1"));
			return 0;
		}
	fprintf(stderr, "usage: limits WHAT WORK [N]\n");
	return 2;
}
