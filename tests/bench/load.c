/* SPDX-License-Identifier: MIT */
/*
 * The client of the benches, where Python would be what is measured:
 *
 *	load FD COUNT START STRIDE REQUEST...
 *
 * sends the requests in turn, COUNT in all, each when the one before it is answered, and prints
 * how long that took as one object of JSON.  In a request %A becomes START + turn * STRIDE in
 * hex, and a final %X<n> n random bytes, escaped.  Replies are counted, not decoded.
 */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TIMEOUT_MS 120000

struct load {
	int fd;
	uint8_t in[1 << 20];
	size_t at, len;
	uint64_t received, payload; /* bytes */
	char head[120];		    /* of the last reply, with a 0 behind it */
};

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void die(const char *what)
{
	fprintf(stderr, "load: %s\n", what);
	exit(1);
}

static void wait_for(struct load *l, short events)
{
	struct pollfd p = { l->fd, events, 0 };
	if (poll(&p, 1, TIMEOUT_MS) <= 0)
		die("timeout");
}

static void fill(struct load *l)
{
	ssize_t n;

	while ((n = read(l->fd, l->in, sizeof(l->in))) < 0 && (errno == EAGAIN || errno == EINTR))
		wait_for(l, POLLIN);
	if (n <= 0)
		die("the connection is closed");
	l->at = 0;
	l->len = (size_t)n;
	l->received += (uint64_t)n;
}

static uint8_t next_byte(struct load *l)
{
	if (l->at == l->len)
		fill(l);
	return l->in[l->at++];
}

static void send_all(struct load *l, const void *data, size_t len)
{
	const uint8_t *p = data;

	while (len) {
		ssize_t n = write(l->fd, p, len);
		if (n < 0 && errno == EAGAIN) {
			wait_for(l, POLLOUT);
			continue;
		}
		if (n <= 0)
			die("cannot write");
		p += n;
		len -= (size_t)n;
	}
}

/* One packet; notifications are passed over. */
static void take_reply(struct load *l)
{
	size_t total = 0, head = 0;
	uint8_t first;

	do
		first = next_byte(l);
	while (first != '$');
	for (bool more = true; more;) {
		if (l->at == l->len)
			fill(l);
		const uint8_t *from = l->in + l->at, *end = memchr(from, '#', l->len - l->at);
		size_t n = end ? (size_t)(end - from) : l->len - l->at;
		size_t kept = n < sizeof(l->head) - 1 - head ? n : sizeof(l->head) - 1 - head;
		memcpy(l->head + head, from, kept);
		head += kept;
		total += n;
		l->at += n + (end != NULL);
		more = !end;
	}
	l->head[head] = '\0';
	(void)next_byte(l);
	(void)next_byte(l);
	l->payload += total;
}

struct request {
	const char *text;
	uint8_t *frame; /* what is sent */
	size_t len;
	uint8_t *tail; /* %X: the bytes, escaped */
	char *tail_at; /* where in the frame */
	size_t tail_len;
	uint8_t tail_sum;
	bool varies;
};

static void make_tail(struct request *r, size_t n)
{
	uint64_t x = 88172645463325252ull;

	r->tail = malloc(2 * n + 1);
	for (size_t i = 0; i < n; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		uint8_t b = (uint8_t)(x >> 24);
		if (b == '$' || b == '#' || b == '}' || b == '*') {
			r->tail[r->tail_len++] = '}';
			b ^= 0x20;
		}
		r->tail[r->tail_len++] = b;
	}
	for (size_t i = 0; i < r->tail_len; i++)
		r->tail_sum += r->tail[i];
}

static void make_frame(struct request *r, uint64_t where)
{
	uint8_t sum = r->tail_sum;
	char *out = (char *)r->frame;

	*out++ = '$';
	for (const char *p = r->text; *p && !(p[0] == '%' && p[1] == 'X'); p++) {
		char text[24] = { *p };
		if (p[0] == '%' && p[1] == 'A') {
			snprintf(text, sizeof(text), "%jx", (uintmax_t)where);
			p++;
		}
		for (const char *q = text; *q; q++) {
			sum += (uint8_t)*q;
			*out++ = *q;
		}
	}
	/* It lies there already, unless what is before it has grown. */
	if (r->tail_at != out)
		memcpy(out, r->tail, r->tail_len);
	r->tail_at = out;
	out += r->tail_len;
	out += sprintf(out, "#%02x", sum);
	r->len = (size_t)(out - (char *)r->frame);
}

static void prepare(struct request *r, const char *text, uint64_t start)
{
	const char *tail = strstr(text, "%X");

	*r = (struct request){ .text = text, .varies = strstr(text, "%A") };
	if (tail)
		make_tail(r, strtoull(tail + 2, NULL, 10));
	else
		r->tail = malloc(1);
	r->frame = malloc(strlen(text) + r->tail_len + 64);
	make_frame(r, start);
}

static void print_head(const char *head)
{
	for (const char *p = head; *p; p++)
		putchar(*p >= ' ' && *p < 0x7f && *p != '"' && *p != '\\' ? *p : '?');
}

int main(int argc, char **argv)
{
	static struct load l;
	struct request request[16];
	uint64_t errors = 0, empty = 0, done;

	if (argc < 6 || argc > 5 + 16)
		return 2;
	l.fd = atoi(argv[1]);
	uint64_t count = strtoull(argv[2], NULL, 0), start = strtoull(argv[3], NULL, 16),
		 stride = strtoull(argv[4], NULL, 16), n = (uint64_t)argc - 5;
	for (uint64_t i = 0; i < n; i++)
		prepare(&request[i], argv[5 + i], start);
	double began = now();
	for (done = 0; done < count; done++) {
		struct request *r = &request[done % n];
		if (r->varies)
			make_frame(r, start + done / n * stride);
		send_all(&l, r->frame, r->len);
		take_reply(&l);
		errors += l.head[0] == 'E';
		empty += !l.head[0];
		if (l.head[0] == 'W' || (l.head[0] == 'X' && l.head[1] != '\0'))
			die("the program ended");
	}
	printf("{\"done\":%ju,\"seconds\":%.9f,\"errors\":%ju,\"empty\":%ju,\"payload\":%ju,"
	       "\"last\":\"",
	       (uintmax_t)done, now() - began, (uintmax_t)errors, (uintmax_t)empty,
	       (uintmax_t)l.payload);
	print_head(l.head);
	printf("\"}\n");
	return 0;
}
