### 내장 작업이 하는 일, 한 구절로.

# source: 98ea8830
workload-noop = 한 줄을 쓰고 끝난다
# source: 50e774f3
workload-int = 작은 무작위 프로그램을 해석한다
    .explains = 아무것도 없어야 한다. 명령은 같은 CPU에서 돌고, 경계를 넘지 않는다. 잡음 하한을 넘는 차이는 시간 할당과 캐시에서 온다.
# source: f4723254
workload-float = SIMD로 행렬을 곱한다
    .explains = 아무것도 없어야 한다. SIMD 명령은 게스트에서도 CPU가 직접 실행한다.
# source: 4a4eca23
workload-sha256 = SHA-256 해시를 구한다
    .explains = 아무것도 없어야 한다. 한 번 만진 버퍼로 하는 순수한 연산이다.
# source: a0317c8b
workload-compress = 글을 압축하고 되돌린다(LZ4)
    .explains = 처음 만지는 비용 말고는 없어야 한다. 몇 메가바이트 버퍼로 하는 연산이다.
# source: dc91ea0a
workload-sort = 무작위 수를 정렬한다
    .explains = 거의 없다. 메모리는 한 번 만지고, 그다음은 연산과 캐시가 정한다.
# source: 91ddd13a
workload-stream = 큰 배열을 복사하고 더한다: 메모리 대역폭
    .explains = 중첩 페이징(nested paging): TLB를 놓칠 때마다 페이지 테이블 둘을 거친다. 큰 배열은 처음 만지는 값도 치른다.
# source: 8365d7a6
workload-chase = 메모리 속의 무작위 사슬을 따라간다: 지연 시간
    .explains = 중첩 페이징: 걸음마다 거의 늘 TLB를 놓치고, 그때마다 페이지 테이블 둘을 거친다.
# source: c55b7ad2
workload-touch = 새 메모리 페이지를 처음 만진다
    .explains = 중첩 페이징: 가상 머신에서는 새 페이지마다 게스트와 호스트의 페이지 테이블에서 한 번씩, 두 번 폴트가 난다. 컨테이너는 프로세스처럼 한 번이다.
# source: 3c926974
workload-syscall = 가장 값싼 시스템 호출을 한다
    .explains = 경계 넘기: 컨테이너의 호출은 seccomp 필터를 거쳐 호스트 커널로 간다. 게스트의 호출은 자기 커널에서 끝나고 이탈이 없다. 소프트웨어 KVM은 이 전환을 흉내 내므로 느리다.
# source: 2ff484eb
workload-clock = 시계를 읽는다
    .explains = vDSO가 있으면 호출 없이 시계를 읽는다. 없는 게스트는 자기 커널을 부른다.
# source: d579d323
workload-files = 작은 파일을 만들고 쓰고 읽고 지운다
    .explains = 경계 넘기와 파일 시스템: 컨테이너는 호스트의 커널을 쓴다. 게스트의 파일은 자기 메모리에 있고, 많은 바이트를 복사할 때만 이탈한다.
# source: 4a976ac5
workload-probe = 안에서 무엇이 보이는지 알린다
# source: 40693cee
workload-serve = 입력의 줄마다 답한다
