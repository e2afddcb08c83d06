/* SPDX-License-Identifier: MIT */
/*
 * Not a stub: the least that answers m, x, X and g of a process, near what the machine allows.
 *
 *	least PORT PACKETSIZE
 *
 * Nothing is checked, nothing shared, no breakpoint hidden; needs AVX2.
 */
#include <arpa/inet.h>
#include <immintrin.h>
#include <netinet/tcp.h>
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
#include <unistd.h>

#define AVX2 __attribute__((target("avx2")))
#define ROOM ((size_t)16 << 20)

static int fd;
static pid_t pid;
static uint8_t *in, *out;
static char *packet;
static uint8_t *raw;
static size_t in_at, in_len;

static void send_all(const void *data, size_t len)
{
	const uint8_t *p = data;

	while (len) {
		ssize_t n = send(fd, p, len, 0);
		if (n <= 0)
			exit(0);
		p += n;
		len -= (size_t)n;
	}
}

static uint8_t next_byte(void)
{
	if (in_at == in_len) {
		ssize_t n = recv(fd, in, ROOM, 0);
		if (n <= 0)
			exit(0);
		in_len = (size_t)n;
		in_at = 0;
	}
	return in[in_at++];
}

/* Ends the frame that begins at out, with the checksum of what is in it. */
static void finish(uint8_t *end, uint8_t sum)
{
	end += sprintf((char *)end, "#%02x", sum);
	send_all(out, (size_t)(end - out));
}

static void reply(const char *text)
{
	uint8_t sum = 0, *p = out;

	*p++ = '$';
	for (; *text; text++) {
		sum += (uint8_t)*text;
		*p++ = (uint8_t)*text;
	}
	finish(p, sum);
}

AVX2 static uint8_t total(__m256i sums)
{
	uint64_t part[4];
	_mm256_storeu_si256((void *)part, sums);
	return (uint8_t)(part[0] + part[1] + part[2] + part[3]);
}

AVX2 static uint8_t *put_escaped(uint8_t *p, const uint8_t *s, size_t n, uint8_t *sum)
{
	const __m256i a = _mm256_set1_epi8('#'), b = _mm256_set1_epi8('$'),
		      c = _mm256_set1_epi8('}'), d = _mm256_set1_epi8('*'),
		      zero = _mm256_setzero_si256();
	__m256i sums = zero;
	size_t i = 0;

	while (i < n) {
		__m256i v = _mm256_loadu_si256((const void *)(s + i)); /* there is room behind */
		__m256i m = _mm256_or_si256(
			_mm256_or_si256(_mm256_cmpeq_epi8(v, a), _mm256_cmpeq_epi8(v, b)),
			_mm256_or_si256(_mm256_cmpeq_epi8(v, c), _mm256_cmpeq_epi8(v, d)));
		uint32_t mask = (uint32_t)_mm256_movemask_epi8(m);
		_mm256_storeu_si256((void *)p, v);
		if (!mask && i + 32 <= n) {
			sums = _mm256_add_epi64(sums, _mm256_sad_epu8(v, zero));
			p += 32;
			i += 32;
			continue;
		}
		size_t plain = mask ? (size_t)__builtin_ctz(mask) : 32;
		if (plain >= n - i)
			plain = n - i;
		for (size_t k = 0; k < plain; k++)
			*sum += s[i + k];
		p += plain;
		i += plain;
		if (i < n && plain < 32) {
			*p++ = '}';
			*p = s[i++] ^ 0x20;
			*sum += (uint8_t)('}' + *p++);
		}
	}
	*sum += total(sums);
	return p;
}

/* Rounds up to 32 bytes; there is room behind. */
AVX2 static uint8_t *put_hex(uint8_t *p, const uint8_t *s, size_t n, uint8_t *sum)
{
	const __m256i low = _mm256_set1_epi8(15), zero = _mm256_setzero_si256(),
		      digits = _mm256_broadcastsi128_si256(
			      _mm_setr_epi8('0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a',
					    'b', 'c', 'd', 'e', 'f'));
	__m256i sums = zero;
	size_t i = 0;

	for (; i + 32 <= n; i += 32, p += 64) {
		__m256i v = _mm256_loadu_si256((const void *)(s + i));
		__m256i hi =
			_mm256_shuffle_epi8(digits, _mm256_and_si256(_mm256_srli_epi16(v, 4), low));
		__m256i lo = _mm256_shuffle_epi8(digits, _mm256_and_si256(v, low));
		sums = _mm256_add_epi64(sums, _mm256_add_epi64(_mm256_sad_epu8(hi, zero),
							       _mm256_sad_epu8(lo, zero)));
		__m256i q0 = _mm256_unpacklo_epi8(hi, lo), q1 = _mm256_unpackhi_epi8(hi, lo);
		_mm256_storeu_si256((void *)p, _mm256_permute2x128_si256(q0, q1, 0x20));
		_mm256_storeu_si256((void *)(p + 32), _mm256_permute2x128_si256(q0, q1, 0x31));
	}
	for (; i < n; i++, p += 2) {
		p[0] = (uint8_t) "0123456789abcdef"[s[i] >> 4];
		p[1] = (uint8_t) "0123456789abcdef"[s[i] & 15];
		*sum += (uint8_t)(p[0] + p[1]);
	}
	*sum += total(sums);
	return p;
}

static void read_memory(bool binary)
{
	char *end;
	uint64_t addr = strtoull(packet + 1, &end, 16), n = strtoull(end + 1, NULL, 16);
	struct iovec to = { raw, n }, from = { (void *)(uintptr_t)addr, n };

	if (binary && !n) {
		reply("b");
		return;
	}
	ssize_t got = process_vm_readv(pid, &to, 1, &from, 1, 0);
	if (got <= 0) {
		reply("E01");
		return;
	}
	uint8_t *p = out, sum = 0;
	*p++ = '$';
	if (binary) {
		*p++ = 'b';
		sum = 'b';
		p = put_escaped(p, raw, (size_t)got, &sum);
	} else {
		p = put_hex(p, raw, (size_t)got, &sum);
	}
	finish(p, sum);
}

static void write_memory(char *packet_end)
{
	char *end, *to, *from;
	uint64_t addr = strtoull(packet + 1, &end, 16), n = strtoull(end + 1, &end, 16);
	char *data = to = from = end + 1;

	while (from < packet_end) {
		char *escape = memchr(from, '}', (size_t)(packet_end - from));
		size_t plain = (size_t)((escape ? escape : packet_end) - from);
		memmove(to, from, plain);
		to += plain;
		from += plain;
		if (escape) {
			*to++ = (char)(from[1] ^ 0x20);
			from += 2;
		}
	}
	struct iovec l = { data, n }, r = { (void *)(uintptr_t)addr, n };
	reply(process_vm_writev(pid, &l, 1, &r, 1, 0) == (ssize_t)n ? "OK" : "E01");
}

static void registers(void)
{
	struct user_regs_struct general;
	struct user_fpregs_struct fp;
	uint8_t sum = 0, *p = out;

	(void)ptrace(PTRACE_GETREGS, pid, 0, &general);
	(void)ptrace(PTRACE_GETFPREGS, pid, 0, &fp);
	*p++ = '$';
	p = put_hex(p, (uint8_t *)&general, sizeof(general), &sum);
	p = put_hex(p, (uint8_t *)&fp, sizeof(fp), &sum);
	finish(p, sum);
}

static void attach(void)
{
	char text[64];
	int status;

	pid = (pid_t)strtol(packet + 8, NULL, 16);
	if (ptrace(PTRACE_SEIZE, pid, 0, 0) != 0) {
		reply("E01");
		return;
	}
	(void)ptrace(PTRACE_INTERRUPT, pid, 0, 0);
	(void)waitpid(pid, &status, __WALL);
	snprintf(text, sizeof(text), "T05thread:%x;", pid);
	reply(text);
}

static void answer(size_t len, size_t packet_size, bool *noack)
{
	char text[99];

	if (packet[0] == 'm' || packet[0] == 'x') {
		read_memory(packet[0] == 'x');
	} else if (packet[0] == 'X') {
		write_memory(packet + len);
	} else if (packet[0] == 'g') {
		registers();
	} else if (strncmp(packet, "vAttach;", 8) == 0) {
		attach();
	} else if (strncmp(packet, "qSupported", 10) == 0) {
		snprintf(text, sizeof(text), "PacketSize=%zx;QStartNoAckMode+;binary-upload+",
			 packet_size);
		reply(text);
	} else if (strcmp(packet, "QStartNoAckMode") == 0) {
		reply("OK");
		*noack = true;
	} else {
		reply(packet[0] == '!' || packet[0] == 'H' ? "OK" : "");
	}
}

static void accept_one(uint16_t port)
{
	int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
	struct sockaddr_in sa = { .sin_family = AF_INET,
				  .sin_port = htons(port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	(void)setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener, (void *)&sa, sizeof(sa)) != 0 || listen(listener, 1) != 0)
		exit(1);
	fd = accept(listener, NULL, NULL);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

int main(int argc, char **argv)
{
	bool noack = false;

	if (argc < 3 || !__builtin_cpu_supports("avx2"))
		return 2;
	in = malloc(ROOM);
	out = malloc(2 * ROOM + 64);
	packet = malloc(ROOM);
	raw = calloc(1, ROOM + 64);
	accept_one((uint16_t)atoi(argv[1]));
	for (;;) {
		uint8_t byte;
		size_t len = 0;
		while (next_byte() != '$')
			;
		while ((byte = next_byte()) != '#' && len < ROOM - 1)
			packet[len++] = (char)byte;
		(void)next_byte();
		(void)next_byte();
		packet[len] = '\0';
		if (!noack)
			send_all("+", 1);
		answer(len, strtoul(argv[2], NULL, 0), &noack);
	}
}
