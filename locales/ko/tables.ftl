### 보고서의 표.

# source: fa60cbd7
column-runtime = 런타임
# source: fe829a73
column-workload = 작업
# source: e8a7790d
column-trials = 시행
# source: 6e4492bd
column-reason = 이유
# source: 2cedebdd
column-why = 이유
# source: a318653a
column-fix = 고치는 법
# source: cd916e69
column-remark = 비고
# source: 39c77199
column-fact = 항목
# source: f30fe99b
column-here = 이 호스트
# source: f3bdc09f
column-phase = 단계
# source: d89c9e7f
column-begins = 시작
# source: b3f65d76
column-takes = 걸린 시간
# source: 365b7d71
column-time = 시간
# source: 8806cea9
column-each = 한 번에
# source: 86302e98
column-start-up = 부팅 시간
# source: a4a419cb
column-memory = 메모리
# source: ee712fdc
column-computing = 연산
# source: 5668e11e
column-teardown = 정리
# source: 9d369f85
column-first-output = 첫 출력
# source: 1bcdddd0
column-p95 = 95 % 분위수
# source: f74dd0d4
column-min-max = 최소–최대
# source: addd7e3d
column-entered = 진입
# source: 2035a127
column-cpu = CPU
# source: 94d011bf
column-waited = 기다림
# source: 51d6b270
column-pss-peak = PSS 최대
# source: d7f8ef0d
column-pss-steady = PSS 평소
# source: f6540544
column-cgroup-peak = cgroup 최대
# source: 1f17e627
column-cgroup-kernel = 그중 커널
# source: c5ba02ef
column-guest-touched = 게스트가 만진 양
# source: 3b7853c2
column-guest-given = 게스트에 준 양
# source: a4f80f89
column-vmm-own = VMM 자신
# source: df935340
column-above-process = process보다 더
# source: 85dd02b9
column-exits = 이탈
# source: e5471774
column-vm-exits = VM 이탈
# source: d6d3fc85
column-host-calls = 호스트 커널 호출
# source: fa5a2470
column-guest-calls = 게스트 커널 호출
# source: 088419dd
column-per-second = 초당 호스트 진입

# source: 83fd4da4
baseline = 기준
# source: c562a213
noise-floor = 잡음 하한
# source: fc6722f5
process-again = process를 한 번 더
# source: b4ca4ebc
no-interval = n = { $count }, 구간 없음
# source: 557ac8c8
while-sampled = 표본을 뽑는 중에 잼
# source: cff63f95
some-of = { $all }회 중 { $some }회
# source: b047da4e
time-for-one = { $unit } 하나에 { $time }
# source: b6b4f01c
not-known = 알 수 없음
# source: ed2d27ef
none = 없음

# source: 9d67ec82
table-headline = 격리에 드는 비용
# source: 76938f4f
table-headline-note = 중앙값과 95 % 구간. 부팅 시간: 요청부터 작업 { $workload }의 첫 출력까지. 메모리: process보다 더 쓴 최대 PSS와 커널 메모리. 연산: 같은 CPU 연산에 걸린 시간. 정리: 작업이 끝난 뒤 샌드박스의 흔적이 모두 사라질 때까지. N×: 라운드마다 짝지어 구한 process 대비 비율.

# source: 5578ab50
table-start-up = 부팅 시간 자세히
# source: 127f4758
table-start-up-note = 첫 출력: 표준 출력의 첫 바이트가 측정기에 닿은 순간. 진입: 작업의 첫 명령. CPU: 모든 프로세스가 쓴 호스트 CPU 시간. 기다림: 정리가 끝날 때까지 흐른 시간에서 CPU 시간을 뺀 것.

# source: 7724fc82
table-phases = 중앙값 시행의 단계
# source: c1b6824d
table-phases-note = 요청한 순간부터 센다. 나란히 도는 단계는 겹친다.
# source: d9cef245
milestone-entered = 진입
# source: 9da9b94d
milestone-first-output = 첫 출력
# source: 0c5572f2
milestone-exited = 종료
# source: 1dcaac1a
milestone-torn-down = 정리 끝

# source: 9d861d0e
table-memory = 샌드박스 하나의 호스트 메모리
# source: 07d7ffa8
table-memory-note = 어느 열도 그것만으로는 진실이 아니다. PSS(혼자 쓰는 메모리에 나눠 쓰는 메모리의 몫을 더한 것)는 커널을 놓친다. cgroup은 네트워크 네임스페이스와 일부 페이지 테이블을 놓치고, 함께 쓰는 페이지를 처음 만진 쪽에 매긴다. 호스트 전체에서 보려면 샌드박스를 한꺼번에 많이 띄우는 별도의 실험이 필요하다.

# source: fd874c77
table-work = 같은 작업에 걸린 시간
# source: f90cbd73
table-work-note = 작업 자신의 시계로 쟀으므로 부팅 시간은 들어 있지 않다. N×: 라운드마다 짝지어 구한 process 대비 비율. 1보다 크면 느리다.

# source: 1a9e1044
table-exits = 이유별 VM 이탈
# source: 9fa4773f
table-exits-note = 작업 { $workload } 한 번, 중앙값. 시간: VMM이 처리하는 데 쓴 시간.

# source: 22d19de0
table-crossings = 격리 경계를 넘은 횟수
# source: 57257230
table-crossings-note = 시행 한 번, 중앙값. 프로세스와 컨테이너는 시스템 호출마다 호스트 커널로 넘어간다. 가상 머신의 호출은 자기 커널에서 끝나고, 이탈할 때만 호스트에 닿는다.
# source: 6ced5e80
missing-calls = 게스트 커널에 없는 호출: { $calls }.

# source: 41daeaa4
table-failures = 실패한 시행
# source: 937da943
table-failures-note = 위의 어떤 값도 이 시행들에 기대지 않는다. 틀린 결과나 불가능한 결과가 나온 칸은 무효이고, 값을 하나도 보이지 않는다.

# source: 255bee06
table-skipped = 참가하지 못한 런타임

# source: ec475467
table-notes = 이곳에서 빠졌거나 할 수 없는 단계

# source: a7f8a501
table-host = 호스트
# source: 5b205f23
fact-cpu = CPU
# source: 2a2c3ad4
fact-cpus = 논리 CPU
# source: 4d50583c
fact-governor = 주파수 거버너
# source: c10bb431
fact-memory = 메모리
# source: e31b3d93
fact-swap = 쓰고 있는 스왑
# source: 9697d9f0
fact-kernel = 커널
# source: 61987fca
fact-distribution = 배포판
# source: c9d4f7fa
fact-bare-metal = 베어 메탈
# source: 258e5b36
fact-kvm = KVM
# source: 4f12a3a9
fact-cgroups = cgroup
# source: 91005566
fact-load = 시작할 때 부하
# source: 419db2e2
fact-rights = 권한
# source: 8727ab37
smt-on = SMT 켜짐
# source: bd79a332
smt-off = SMT 꺼짐
# source: 5df7008e
kvm-kind-software = 소프트웨어
# source: a4a5b068
kvm-kind-hardware = 하드웨어
# source: a4dbdf0f
kvm-kind-nested = 중첩
# source: 34cff6a3
bare-metal-yes = 예
# source: 57dccfd6
bare-metal-no = 아니요, { $hypervisor } 위
# source: e32e59ea
rights-root = root
# source: 1ed2afd5
rights-user = 일반 사용자
