/* SPDX-License-Identifier: MIT */
#include "stub/conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#define SOON_US 5000 /* a client that has an answer mostly asks the next thing at once */

bool conn_is_stdio(const char *comm)
{
	return comm && (strcmp(comm, "-") == 0 || strcmp(comm, "stdio") == 0);
}

/* HOST:PORT split at the last colon; the host may be [v6], empty, or have gdbserver's prefix. */
static struct err *split(const char *comm, char host[256], char port[16], int *family)
{
	static const struct {
		const char *text;
		int family;
	} prefixes[] = { { "tcp:", AF_UNSPEC }, { "tcp4:", AF_INET }, { "tcp6:", AF_INET6 } };

	*family = AF_UNSPEC;
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		size_t n = strlen(prefixes[i].text);
		if (strncmp(comm, prefixes[i].text, n) != 0)
			continue;
		comm += n;
		*family = prefixes[i].family;
		break;
	}
	const char *colon = strrchr(comm, ':');
	if (!colon || !colon[1] || strlen(colon + 1) > 15)
		return err_new(ERR_PROTO, "%s: no HOST:PORT", comm);
	size_t n = (size_t)(colon - comm);
	if (n >= 2 && comm[0] == '[' && comm[n - 1] == ']') {
		comm++;
		n -= 2;
	}
	if (n > 255)
		return err_new(ERR_PROTO, "the host name is too long");
	memcpy(host, comm, n);
	host[n] = '\0';
	snprintf(port, 16, "%s", colon + 1);
	char *end;
	unsigned long number = strtoul(port, &end, 10);
	if (*end || number > 65535)
		return err_new(ERR_PROTO, "Bad port number: %s", port);
	return NULL;
}

static struct err *bind_one(const struct addrinfo *ai, int *ret)
{
	int one = 1;
	int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_os("Can't open socket");
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, ai->ai_addr, ai->ai_addrlen) != 0 || listen(fd, 1) != 0) {
		/* The words that scripts look for. */
		struct err *err = err_new(ERR_OS, "Can't bind address: %s.", strerror(errno));
		close(fd);
		return err;
	}
	*ret = fd;
	return NULL;
}

static int bound_port(int fd)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	char port[NI_MAXSERV];

	if (getsockname(fd, (struct sockaddr *)&ss, &len) != 0 ||
	    getnameinfo((struct sockaddr *)&ss, len, NULL, 0, port, sizeof(port), NI_NUMERICSERV) !=
		    0)
		return 0;
	return atoi(port);
}

static struct err *listen_tcp(const char *comm, struct listener *ret)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE }, *list;
	char host[256], port[16];
	struct err *err = split(comm, host, port, &hints.ai_family);
	if (err)
		return err;
	/* No host is this host alone: a debugger's port is a shell on the process. */
	if (!host[0])
		snprintf(host, sizeof(host), "%s",
			 hints.ai_family == AF_INET6 ? "::1" : "127.0.0.1");
	int gai = getaddrinfo(host, port, &hints, &list);
	if (gai)
		return err_new(ERR_NOT_FOUND, "%s: cannot resolve name: %s", host,
			       gai_strerror(gai));
	err = bind_one(list, &ret->fd);
	freeaddrinfo(list);
	return err;
}

static struct err *listen_unix(const char *path, struct listener *ret)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct stat st;

	if (strlen(path) >= sizeof(sa.sun_path))
		return err_new(ERR_PROTO, "the socket's path is too long");
	memcpy(sa.sun_path, path, strlen(path) + 1);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_os("Can't open socket");
	/* A socket left behind, on which nobody listens. */
	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode) &&
	    connect(fd, (struct sockaddr *)&sa, sizeof(sa)) != 0 && errno == ECONNREFUSED)
		(void)unlink(path);
	mode_t old = umask(0177);
	int bad = bind(fd, (struct sockaddr *)&sa, sizeof(sa)) != 0 || listen(fd, 1) != 0;
	int saved = errno;
	umask(old);
	if (bad) {
		close(fd);
		return err_new(ERR_OS, "Can't bind address: %s.", strerror(saved));
	}
	ret->fd = fd;
	ret->unlink_path = strdup(path);
	return NULL;
}

/* A descriptor that was handed to us: a listening socket (socket activation) or a stream. */
static struct err *adopt_fd(const char *number, struct listener *ret)
{
	char *end;
	int listening = 0;
	socklen_t len = sizeof(listening);
	long fd = strtol(number, &end, 10);

	if (*end || end == number || fd < 0 || fcntl((int)fd, F_GETFD) < 0)
		return err_new(ERR_PROTO, "fd:%s is not an open descriptor", number);
	(void)fcntl((int)fd, F_SETFD, FD_CLOEXEC);
	(void)fcntl((int)fd, F_SETFL, fcntl((int)fd, F_GETFL) | O_NONBLOCK);
	if (getsockopt((int)fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) == 0 && listening)
		ret->fd = (int)fd;
	else
		ret->in = ret->out = (int)fd;
	return NULL;
}

static struct err *open_device(const char *path, struct listener *ret)
{
	struct termios tio;
	int fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return err_os("Could not open remote device %s", path);
	if (tcgetattr(fd, &tio) == 0) {
		cfmakeraw(&tio);
		tio.c_cflag |= CLOCAL | CREAD;
		(void)tcsetattr(fd, TCSANOW, &tio);
	}
	ret->in = ret->out = fd;
	return NULL;
}

struct err *listener_open(const char *comm, struct listener *ret)
{
	*ret = (struct listener){ .fd = -1, .in = -1, .out = -1 };
	if (conn_is_stdio(comm)) {
		ret->in = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
		ret->out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
		return NULL;
	}
	if (strncmp(comm, "unix:", 5) == 0)
		return listen_unix(comm + 5, ret);
	if (strncmp(comm, "fd:", 3) == 0)
		return adopt_fd(comm + 3, ret);
	if (comm[0] == '/')
		return open_device(comm, ret);
	return listen_tcp(comm, ret);
}

void listener_announce(const struct listener *l, const char *comm)
{
	if (conn_is_stdio(comm))
		fprintf(stderr, "Remote debugging using stdio\n");
	else if (l->unlink_path)
		fprintf(stderr, "Listening on %s\n", l->unlink_path);
	else if (strncmp(comm, "fd:", 3) == 0)
		fprintf(stderr, "Listening on descriptor %s\n", comm + 3);
	else if (l->fd < 0)
		fprintf(stderr, "Remote debugging using %s\n", comm);
	else
		fprintf(stderr, "Listening on port %d\n", bound_port(l->fd));
}

void listener_close(struct listener *l)
{
	if (l->fd >= 0)
		close(l->fd);
	if (l->unlink_path)
		(void)unlink(l->unlink_path);
	free(l->unlink_path);
	*l = (struct listener){ .fd = -1, .in = -1, .out = -1 };
}

static void announce(int fd)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof(ss);
	char host[NI_MAXHOST], port[NI_MAXSERV];

	if (getpeername(fd, (struct sockaddr *)&ss, &len) == 0 && ss.ss_family != AF_UNIX &&
	    getnameinfo((struct sockaddr *)&ss, len, host, sizeof(host), port, sizeof(port),
			NI_NUMERICHOST | NI_NUMERICSERV) == 0)
		fprintf(stderr, "Remote debugging from host %s, port %s\n", host, port);
	else
		fprintf(stderr, "Remote debugging from a local client\n");
}

bool conn_accept(struct listener *l, struct conn *ret)
{
	static const struct timeval soon = { .tv_usec = SOON_US };
	int one = 1;

	if (l->in >= 0) {
		*ret = (struct conn){ l->in, l->out, false };
		l->in = l->out = -1;
		return true;
	}
	if (l->fd < 0)
		return false;
	int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		return false;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon));
	announce(fd);
	*ret = (struct conn){ fd, fd, true };
	return true;
}

void conn_close(struct conn *c)
{
	if (c->in >= 0)
		close(c->in);
	if (c->out >= 0 && c->out != c->in)
		close(c->out);
	c->in = c->out = -1;
}

static bool try_later(void)
{
	return errno == EAGAIN || errno == EINTR;
}

static ssize_t bytes_read(ssize_t n)
{
	if (n > 0)
		return n;
	return n < 0 && try_later() ? 0 : -1;
}

ssize_t conn_read(struct conn *c, void *buf, size_t len)
{
	return bytes_read(c->accepted ? recv(c->in, buf, len, MSG_DONTWAIT)
				      : read(c->in, buf, len));
}

ssize_t conn_read_soon(struct conn *c, void *buf, size_t len)
{
	return bytes_read(recv(c->in, buf, len, 0));
}

ssize_t conn_write(struct conn *c, const void *buf, size_t len)
{
	ssize_t n = c->accepted ? send(c->out, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL)
				: write(c->out, buf, len);
	if (n >= 0)
		return n;
	return try_later() ? 0 : -1;
}
