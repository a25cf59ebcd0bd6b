// title: matrices are multiplied and raised to a power
#include <toykernel.h>
#define N 4
typedef int matrix[N][N];
static void multiply(matrix out, matrix a, matrix b) {
  matrix r;
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++) {
      r[i][j] = 0;
      for (int k = 0; k < N; k++) r[i][j] += a[i][k] * b[k][j];
    }
  memcpy(out, r, sizeof r);
}
int main(void) {
  matrix a = {{1, 2, 0, 1}, {0, 1, 3, 0}, {2, 0, 1, 1}, {1, 1, 0, 2}}, p = {{1}, {0, 1}, {0, 0, 1}, {0, 0, 0, 1}};
  for (int i = 0; i < 5; i++) multiply(p, p, a);
  for (int i = 0; i < N; i++) printf("%d %d %d %d\n", p[i][0], p[i][1], p[i][2], p[i][3]);
  return p[2][3] & 127;
}
