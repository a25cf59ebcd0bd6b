// title: four sorts agree
#include <toykernel.h>
#define N 40
static int compare(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }
static void bubble(int *v) { for (int i = 0; i < N; i++) for (int j = 1; j < N - i; j++) if (v[j - 1] > v[j]) { int t = v[j]; v[j] = v[j - 1]; v[j - 1] = t; } }
static void shell(int *v) {
  for (int gap = N / 2; gap; gap /= 2)
    for (int i = gap; i < N; i++)
      for (int j = i - gap; j >= 0 && v[j] > v[j + gap]; j -= gap) { int t = v[j]; v[j] = v[j + gap]; v[j + gap] = t; }
}
static void merge(int *v, int n) {
  if (n < 2) return;
  int out[N], m = n / 2, a = 0, b = m;
  merge(v, m), merge(v + m, n - m);
  for (int i = 0; i < n; i++) out[i] = b >= n || (a < m && v[a] <= v[b]) ? v[a++] : v[b++];
  memcpy(v, out, n * sizeof *v);
}
int main(void) {
  int v[4][N];
  for (int i = 0; i < N; i++) v[0][i] = v[1][i] = v[2][i] = v[3][i] = (i * 7919 + 13) % 997 - 400;
  bubble(v[0]), shell(v[1]), merge(v[2], N), qsort(v[3], N, sizeof(int), compare);
  printf("%d %d %d: %d %d %d\n", memcmp(v[0], v[1], sizeof *v), memcmp(v[0], v[2], sizeof *v),
         memcmp(v[0], v[3], sizeof *v), v[0][0], v[0][N / 2], v[0][N - 1]);
  return 0;
}
