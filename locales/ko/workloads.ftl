### 내장 작업이 하는 일, 한 구절로.

# source: 98ea8830
workload-noop = 한 줄을 쓰고 끝난다
# source: 5c6a4db6
workload-int = 작은 무작위 프로그램을 해석한다
# source: f2e0fd7d
workload-float = SIMD로 행렬을 곱한다
# source: 2420506d
workload-sha256 = SHA-256 해시를 구한다
# source: 948c764b
workload-compress = 글을 압축하고 되돌린다(LZ4)
# source: 101b35af
workload-sort = 무작위 수를 정렬한다
# source: d5727baf
workload-stream = 큰 배열을 복사하고 더한다: 메모리 대역폭
# source: 824d79de
workload-chase = 메모리 속의 무작위 사슬을 따라간다: 지연 시간
# source: a595010c
workload-touch = 새 메모리 페이지를 처음 만진다
# source: 4c9537f6
workload-syscall = 가장 값싼 시스템 호출을 한다
# source: 090e0243
workload-clock = 시계를 읽는다
# source: fb29e898
workload-files = 작은 파일을 만들고 쓰고 읽고 지운다
# source: 4a976ac5
workload-probe = 안에서 무엇이 보이는지 알린다
# source: 40693cee
workload-serve = 입력의 줄마다 답한다
