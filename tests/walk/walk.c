/* SPDX-License-Identifier: MIT */
/*
 * Prints what the Python walker sees of a process that it stops for that long:
 *
 *	walk [-c] [-w WAYS] [-n N] [-d ANNEX | -o TABLE | -t | -x TID | -a | -A ANNEX] PID
 *
 * the stacks as text, or with -d the document python-frames, -o an osdata table,
 * -t the list of threads, -x a thread's line, -a asyncio's tasks, -A the document
 * python-tasks.  -w allows only these ways to the
 * runtime (a mask of enum py_way); -c
 * sees only what is in a core (proc_space_hide_files()); -n does it so often again and tells the time.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "qxfer/python.h"
#include "qxfer/python/state.h"
#include "tests/walk/proc_space.h"

struct job {
	unsigned int ways;
	int again;
	bool core;
	int mode;
	const char *arg;
};

static double now_ms(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static struct err *produce(const struct job *job, struct python *py, const struct space *s,
			   struct buf *out)
{
	switch (job->mode) {
	case 'd':
		return python_frames_document(py, s, job->arg, out);
	case 'o':
		return strcmp(job->arg, "python-tasks") == 0	? python_tasks_table(py, s, out)
		       : strcmp(job->arg, "python-frames") == 0 ? python_frames_table(py, s, out)
								: python_threads_table(py, s, out);
	case 'a':
		return python_tasks_text(py, s, 0, out);
	case 'A':
		return python_tasks_document(py, s, job->arg, out);
	case 't':
		return python_threads_text(py, s, 0, out);
	case 'x':
		return python_thread_text(py, s, (pid_t)strtol(job->arg, NULL, 10), out);
	default:
		return python_stacks_text(py, s, PYTHON_FULL, NULL, out);
	}
}

static struct err *find(const struct job *job, struct python *py, const struct space *s)
{
	bool later;
	if (!job->ways)
		return NULL;
	struct err *err = py_runtime_find(s, job->ways, &py->rt, &later);
	py->epoch = s->epoch;
	py->found = !err;
	if (!err)
		fprintf(stderr, "0x%llx by %s\n", (unsigned long long)py->rt.addr,
			py_way_name(py->rt.way));
	return err;
}

static struct err *run(const struct job *job, struct python *py, struct proc_space *p)
{
	_cleanup_buf_ struct buf out = { 0 };
	double start = now_ms();
	struct err *err = find(job, py, &p->space);
	if (!err)
		err = produce(job, py, &p->space, &out);
	if (err)
		return err;
	fwrite(out.data, 1, out.len, stdout);
	if (!job->again)
		return NULL;
	fprintf(stderr, "first: %.3f ms, %zu bytes\n", now_ms() - start, out.len);
	start = now_ms();
	for (int i = 0; i < job->again && !err; i++) {
		mem_invalidate(&p->mem);
		buf_clear(&out);
		err = produce(job, py, &p->space, &out);
	}
	fprintf(stderr, "then: %.4f ms each\n", (now_ms() - start) / job->again);
	return err;
}

static int work(const struct job *job, pid_t pid)
{
	static struct proc_space p;
	struct python *py = NULL;
	int status = 2;
	if (!proc_space_open(&p, pid))
		return 2;
	struct err *err = python_create(&py);
	if (!err && proc_space_stop(&p)) {
		if (job->core)
			proc_space_hide_files(&p);
		err = run(job, py, &p);
		status = 0;
	}
	if (err) {
		fprintf(stderr, "%s\n", err->msg);
		err_drop(err);
		status = 1;
	}
	proc_space_close(&p);
	python_destroy(py);
	return status;
}

int main(int argc, char **argv)
{
	struct job job = { 0 };
	for (int c; (c = getopt(argc, argv, "cw:n:d:o:tx:aA:")) != -1;) {
		if (c == 'w')
			job.ways = (unsigned int)strtoul(optarg, NULL, 0);
		else if (c == 'n')
			job.again = (int)strtol(optarg, NULL, 0);
		else if (c == 'c')
			job.core = true;
		else if (c == '?')
			return 2;
		else {
			job.mode = c;
			job.arg = optarg;
		}
	}
	if (optind != argc - 1) {
		fprintf(stderr,
			"usage: walk [-c] [-w WAYS] [-n N] [-d ANNEX | -o TABLE | -t | -x TID | "
			"-a | -A ANNEX] PID\n");
		return 2;
	}
	return work(&job, (pid_t)strtol(argv[optind], NULL, 10));
}
