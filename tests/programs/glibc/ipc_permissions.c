/* Who may do what to System V's objects, by every mode and for the owner, its group and others. */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

static const int modes[] = {0, 0400, 0200, 0600, 0040, 0020, 0060, 0004, 0002, 0006, 0666, 0077};
static const int users[][2] = {{1000, 1000}, {2000, 1000}, {2000, 2000}};
static char line[2000];

static void add(long r)
{
	sprintf(line + strlen(line), " %d", r < 0 ? errno : 0);
}

static void messages(int key, int id, int other)
{
	struct { long type; char text[8]; } m = {1, "text"};
	struct msqid_ds ds;
	for (int flags = 0; flags <= 0666; flags += flags == 0 ? 0444 : 0222)
		add(msgget(key, flags));
	add(msgget(key, 0400));
	add(msgget(key, 0200));
	add(msgsnd(id, &m, 5, IPC_NOWAIT));
	add(msgrcv(id, &m, 5, 0, IPC_NOWAIT));
	add(msgctl(id, IPC_STAT, &ds));
	if (msgctl(id, IPC_STAT, &ds) == 0) {
		ds.msg_qbytes = 1000;
		add(msgctl(id, IPC_SET, &ds));
		ds.msg_qbytes = 1 << 20;
		add(msgctl(id, IPC_SET, &ds));
	}
	add(msgctl(id, IPC_RMID, 0));
}

static void semaphores(int key, int id, int other)
{
	struct sembuf up = {0, 1, IPC_NOWAIT}, zero = {0, 0, IPC_NOWAIT}, down = {0, -1, IPC_NOWAIT}, none = {3, 1};
	struct semid_ds ds;
	unsigned short all[2] = {1, 2};
	for (int flags = 0; flags <= 0666; flags += flags == 0 ? 0444 : 0222)
		add(semget(key, 2, flags));
	add(semget(key, 1, 0400));
	add(semget(key, 3, 0200));
	add(semop(id, &up, 1));
	add(semop(id, &zero, 1));
	add(semop(id, &down, 1));
	add(semop(id, &none, 1));
	add(semctl(id, 0, GETVAL));
	add(semctl(id, 0, GETPID));
	add(semctl(id, 0, GETNCNT));
	add(semctl(id, 0, GETZCNT));
	add(semctl(id, 0, GETALL, all));
	add(semctl(id, 0, SETVAL, 1));
	add(semctl(id, 0, SETALL, all));
	add(semctl(id, 0, IPC_STAT, &ds));
	if (semctl(id, 0, IPC_STAT, &ds) == 0)
		add(semctl(id, 0, IPC_SET, &ds));
	add(semctl(id, 0, IPC_RMID));
}

static void segments(int key, int id, int other)
{
	struct shmid_ds ds;
	void *at;
	for (int flags = 0; flags <= 0666; flags += flags == 0 ? 0444 : 0222)
		add(shmget(key, 4096, flags));
	add(shmget(key, 8192, 0400));
	add((long)(at = shmat(id, 0, SHM_RDONLY)) == -1 ? -1 : 0);
	if (at != (void *)-1)
		shmdt(at);
	add((long)(at = shmat(id, 0, 0)) == -1 ? -1 : 0);
	if (at != (void *)-1)
		shmdt(at);
	add((long)(at = shmat(id, 0, SHM_EXEC)) == -1 ? -1 : 0);
	if (at != (void *)-1)
		shmdt(at);
	add(shmctl(id, IPC_STAT, &ds));
	if (shmctl(id, IPC_STAT, &ds) == 0)
		add(shmctl(id, IPC_SET, &ds));
	add(shmctl(id, IPC_RMID, 0));
}

int main(void)
{
	static void (*const kinds[])(int, int, int) = {messages, semaphores, segments};
	static const char *const names[] = {"messages", "semaphores", "segments"};
	for (int kind = 0; kind < 3; kind++)
		for (int m = 0; m < sizeof modes / sizeof *modes; m++)
			for (int u = 0; u < 3; u++) {
				int key = 0x7000000 + getpid() % 100000, flags = IPC_CREAT | IPC_EXCL | modes[m], id, pipes[2];
				pipe(pipes);
				if (!fork()) { /* user 1000 of group 1000 makes it */
					setgroups(0, 0);
					setgid(1000);
					setuid(1000);
					id = kind == 0 ? msgget(key, flags) : kind == 1 ? semget(key, 2, flags) : shmget(key, 4096, flags);
					write(pipes[1], &id, sizeof id);
					_exit(0);
				}
				wait(0);
				read(pipes[0], &id, sizeof id);
				close(pipes[0]);
				close(pipes[1]);
				if (!fork()) {
					setgroups(0, 0);
					setgid(users[u][1]);
					setuid(users[u][0]);
					sprintf(line, "%s %o user %d group %d:", names[kind], modes[m], users[u][0], users[u][1]);
					kinds[kind](key, id, 0);
					puts(line);
					fflush(stdout);
					_exit(0);
				}
				wait(0);
				if (kind == 0)
					msgctl(id, IPC_RMID, 0);
				else if (kind == 1)
					semctl(id, 0, IPC_RMID);
				else
					shmctl(id, IPC_RMID, 0);
			}
	for (int kind = 0; kind < 3; kind++) { /* a number is not given twice in a row */
		int id[2];
		for (int n = 0; n < 2; n++) {
			id[n] = kind == 0 ? msgget(IPC_PRIVATE, 0600) : kind == 1 ? semget(IPC_PRIVATE, 1, 0600) : shmget(IPC_PRIVATE, 1, 0600);
			kind == 0 ? msgctl(id[n], IPC_RMID, 0) : kind == 1 ? semctl(id[n], 0, IPC_RMID) : shmctl(id[n], IPC_RMID, 0);
		}
		printf("%s: another %d\n", names[kind], id[0] != id[1]);
	}
	return 0;
}
