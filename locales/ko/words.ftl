### 숫자를 쉬운 말로.

# source: f2a4a27b
list-and = { $first }, { $last }

# source: d739f23b
host-line-cpus = CPU { $count }개
# source: 6eab028d
host-line-virtual = 가상 머신({ $hypervisor })
# source: df35ff63
host-line-kvm = KVM 백엔드 { $backend }
# source: 9597e68e
host-line-software-kvm = KVM 백엔드 { $backend }(소프트웨어)
# source: 5032520c
host-line-no-kvm = KVM 없음

# source: 895312e7
run-line-trials = { $duration } 동안 { $count }회 시행

# source: 379d3f91
kvm-unknown = 이 호스트의 KVM 백엔드를 알 수 없다. 하드웨어 KVM에서 나오는 값과 다를 수 있다.
# source: 1bea5c3f
kvm-software-nested = VT-x나 SVM이 없는 소프트웨어 KVM 백엔드 { $backend }에서, 그 자체가 가상 머신인 호스트에서 쟀다. 베어 메탈의 하드웨어 KVM에서는 다른 값이 나온다.
# source: 2659ec87
kvm-software = VT-x나 SVM이 없는 소프트웨어 KVM 백엔드 { $backend }에서 쟀다. 하드웨어 KVM에서는 다른 값이 나온다.
# source: ccc61f56
kvm-nested = 중첩 KVM(가상 머신 안의 { $backend })에서 쟀다. 베어 메탈에서는 다른 값이 나온다.

# source: 61cad146
method-rounds = 라운드마다 모든 런타임이 모든 작업을 한 번씩 무작위 순서로 실행한다. 어디서나 바이트까지 똑같은 프로그램 파일을 쓴다.
# source: e440fd88
method-clock = 모든 시간은 호스트의 CLOCK_MONOTONIC으로 재고, 요청한 순간부터 센다. 작업의 첫 출력 바이트가 측정기에 닿으면 부팅이 끝난 것으로 본다. 이 순간은 어떤 런타임이든 밖에서 똑같이 볼 수 있다.
# source: 2e494476
method-intervals = 중앙값에는 순서 통계량으로 구하고(이항 분포) 헤트먼스퍼거와 시더의 방법으로 보간한 95 % 구간을 붙인다. 분포를 가정하지 않는다. 시행이 6회보다 적으면 구간이 없다. N×는 라운드 안에서 구한 비율의 중앙값이다. 라운드 전체를 느리게 한 것은 상쇄된다. 두 중앙값을 나눈 값과 조금 다를 수 있다.
# source: c973ad3d
method-control = process는 다른 이름으로 한 번 더 실행한다. 둘의 차이가 잡음 하한이다. 그 안에 드는 차이나 구간에 1이 들어가는 차이는 '잴 수 있는 차이 없음'이라고 한다. 이상값이라고 버리는 시행은 없다.

# source: 0fcd0f87
verdict-slower = 느림
# source: 5ecf2a93
verdict-faster = 빠름
# source: 075726c1
verdict-none = 잴 수 있는 차이 없음
# source: 6a0eacbe
verdict-too-few = 라운드가 적어 판단할 수 없음

# source: 58c6216c
longest-phase = { $runtime }에서 가장 긴 단계: { $phase }({ $duration }, 부팅 시간의 { $percent } %).

# source: e52ad284
start-up-missing = 부팅 시간을 재지 못했다.
# source: de7d2164
start-up-only-process = 일반 프로세스는 { $process } 만에 시작한다. 다른 런타임은 재지 않았다.
# source: d83a92f1
start-up-without-process = 요청부터 첫 출력까지 걸린 시간: { $others }.
# source: 3da996a8
start-up-said = 일반 프로세스는 { $process } 만에 시작한다. 같은 프로그램을 격리해서 시작하면: { $others }.
# source: 5d1db957
start-up-clause = { $runtime } { $time }
# source: 75f7c22a
start-up-clause-ratio = { $runtime } { $time }({ $ratio })
# source: d63684aa
start-up-clause-alike = { $runtime } { $time }(잴 수 있는 차이 없음)

# source: e96f2ae2
sureness-none = 시행이 너무 적어 얼마나 확실한지는 말할 수 없다.
# source: 421352b6
sureness-rough = 이곳에서는 시간이 크게 흩어진다. 자릿수만 믿자.
# source: 7fdaf36a
sureness-within = 중앙값마다 오차는 { $percent } % 안쪽이다.

# source: c92a7cfc
computing-missing = 안에서 연산할 때 드는 비용은 재지 않았다.
# source: 652efb76
computing-said = 일반 프로세스와 같은 연산을 할 때: { $clauses }.
# source: 6a8688d0
computing-clause-more = { $runtime } 시간이 { $percent } % 더 걸림
# source: 203bc82c
computing-clause-less = { $runtime } 시간이 { $percent } % 덜 걸림
# source: ab2611ad
computing-clause-alike = { $runtimes }: 잴 수 있는 차이 없음
# source: f44736e5
computing-clause-unsure = { $runtimes }: 라운드가 적어 판단할 수 없음

# source: 5029423e
memory-missing = 격리에 드는 메모리는 재지 않았다.
# source: 2d51d803
memory-all-alike = 호스트 메모리에는 잴 수 있는 차이가 없다({ $runtimes }).
# source: aeaf00f4
memory-said = 일반 프로세스와 견주어 호스트 메모리는: { $clauses }.
# source: 4780328c
memory-said-and-alike = 일반 프로세스와 견주어 호스트 메모리는: { $clauses }. 잴 수 있는 차이가 없는 것: { $runtimes }.
# source: 7b9f51f8
memory-clause-more = { $runtime } { $size } 더 씀
# source: 58734f78
memory-clause-less = { $runtime } { $size } 덜 씀
