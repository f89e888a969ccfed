### 숫자를 얼마나 믿을 수 있는가.

# source: 5d9898c0
grade = { $grade ->
    [good] 좋음
    [fair] 보통
    [poor] 나쁨
   *[other] 알 수 없음
}

# source: 4cd74f55
check-load = 시작할 때 CPU 수에 견준 평균 부하: { $value }
    .why = 다른 프로그램이 CPU, 캐시, 메모리 대역폭을 두고 경쟁한다.
    .mend = 고치려면: 다른 프로그램을 멈추고 다시 실행하자.
# source: 66b0c099
check-governor = { $grade ->
    [unknown] CPU 주파수 거버너를 이곳에서는 볼 수 없다
   *[other] CPU 주파수 거버너: { $value }
}
    .why = 부하에 따라 클록이 오르내려서, 짧은 작업과 긴 작업을 서로 다른 주파수에서 재게 된다.
    .mend = 고치려면: sudo cpupower frequency-set -g performance
# source: 3da785bb
check-turbo = { $grade ->
    [unknown] CPU가 기본 주파수를 넘을 수 있는지(터보) 이곳에서는 볼 수 없다
    [good] CPU가 기본 주파수를 지킨다
   *[other] CPU가 기본 주파수를 넘을 수 있다(터보)
}
    .why = 얼마나 넘는지는 온도와 바쁜 코어 수에 달려 있어서, CPU가 뜨거워지면 값이 서서히 변한다.
    .mend = 고치려면: echo 1 | sudo tee /sys/devices/system/cpu/intel_pstate/no_turbo (다른 CPU에서는 cpufreq/boost에 0), 또는 --cool-down으로 쉬자.
# source: 3d10eecf
check-smt = { $grade ->
    [unknown] CPU가 코어를 나누어 쓰는 스레드인지(SMT) 이곳에서는 볼 수 없다
    [good] 논리 CPU마다 코어가 따로 있다
   *[other] 논리 CPU 둘이 코어 하나를 나누어 쓴다(SMT)
}
    .why = 같은 코어의 다른 스레드에서 도는 것이 속도를 절반까지 가져간다.
    .mend = 고치려면: echo off | sudo tee /sys/devices/system/cpu/smt/control, 또는 --pin으로 짝이 쉬는 CPU에 고정하자.
# source: 48aaf95e
check-throttling = { $grade ->
    [unknown] 스로틀링을 이곳에서는 세지 않는다
   *[other] 호스트가 켜진 뒤 CPU 스로틀링 { $value }회
}
    .why = 너무 뜨겁거나 전력을 너무 많이 쓰는 CPU는 스스로 느려진다.
    .mend = 고치려면: 냉각을 개선하거나, --cool-down을 쓰거나, 바쁜 코어를 줄이자.
# source: 31a3c973
check-power = { $grade ->
    [poor] 호스트가 배터리로 돈다
   *[other] 호스트가 전원에 연결되어 있다
}
    .why = 배터리로 돌 때는 펌웨어와 커널이 전력을 아끼려고 CPU를 늦춘다.
    .mend = 고치려면: 전원을 연결하자.
# source: 2b795a24
check-swap = 쓰고 있는 스왑: { $value } MiB
    .why = 메모리 값에서 스왑된 페이지가 빠지고, 페이지 하나가 돌아오는 데 몇 밀리초가 걸린다.
    .mend = 고치려면: sudo swapoff -a
# source: 1ca8f1e9
check-steal = { $grade ->
    [unknown] 빼앗긴 CPU 시간을 이곳에서는 세지 않는다
   *[other] 호스트가 켜진 뒤 CPU 시간의 { $value } %를 빼앗겼다
}
    .why = 이 호스트에 할 일이 있는데도 그 밑의 하이퍼바이저가 남에게 준 시간이다.
    .mend = 고치려면: 다른 호스트에서, 또는 다른 때에 실행하자.
# source: 1c605d9b
check-clock = { $grade ->
    [unknown] 커널의 클록 소스를 이곳에서는 볼 수 없다
   *[other] 커널의 클록 소스: { $value }
}
    .why = CPU 레지스터가 아닌 시계는 한 번 볼 때마다 1마이크로초 넘게 걸린다.
    .mend = 고치려면: TSC를 쓰지 않는 까닭이 커널 로그에 있다(sudo dmesg | grep -i tsc).
# source: 3f2593e3
check-virtualised = { $grade ->
    [good] 이 호스트는 베어 메탈이다
   *[other] 이 호스트도 가상 머신이다({ $value })
}
    .why = 이웃이 CPU 시간을 가져갈 수 있고, 이곳의 컨테이너는 그 가상 머신 안의 컨테이너이다.
    .mend = 베어 메탈의 값을 알려면 베어 메탈에서 실행하자.
# source: ea616f88
check-container = { $grade ->
    [good] isobench가 컨테이너 밖에서 돈다
   *[other] isobench 자체가 컨테이너 안에서 돈다({ $value })
}
    .why = 그 컨테이너의 제한이 모든 샌드박스에 걸리고, 파일 시스템이 더 느릴 수 있으며, 여기서 만든 컨테이너는 중첩된다.
    .mend = 고치려면: 호스트에서 바로 isobench를 실행하자.
# source: fb922e4c
check-kvm = { $grade ->
    [unknown] 이곳에는 KVM이 없다
    [good] 베어 메탈의 KVM: { $value }
   *[other] KVM이 소프트웨어 백엔드이거나 다른 가상 머신 안에서(중첩) 돈다: { $value }
}
    .why = 가상 머신의 비용은 곧 VM exit의 비용이고, 그 비용은 백엔드에 따라 열 배나 다르다.
    .mend = 하드웨어 KVM의 값을 알려면 베어 메탈에서 실행하자.

# source: 94c128cc
during-stolen = 실행하는 동안 CPU 시간의 { $percent } %를 이 호스트 밑의 하이퍼바이저가 가져갔다. 이웃 때문에 느려졌으니 다른 때에 다시 실행하자.
# source: c7826278
during-throttled = 실행하는 동안 CPU 스로틀링이 { $times }회 있었다. 너무 뜨거웠다. 고치려면: --cool-down을 쓰거나 냉각을 개선하자.
# source: 11f25a58
during-swapped = 실행하는 동안 호스트가 { $pages }페이지를 스왑했다. 메모리가 모자랐다. 고치려면: 다른 프로그램을 멈추자.
# source: 4e30b37b
drift-slower = 실행하는 동안 호스트가 느려졌다. { $round }번째 라운드부터 시행이 { $percent } % 더 걸렸다. 라운드마다 짝지은 process 대비 비율은 시간보다 영향을 덜 받는다.
# source: b7089237
drift-faster = 실행하는 동안 호스트가 빨라졌다. { $round }번째 라운드부터 시행이 { $percent } % 덜 걸렸다. 라운드마다 짝지은 process 대비 비율은 시간보다 영향을 덜 받는다.

# source: 9e4d95a7
host-line-container = 컨테이너 안({ $kind })
# source: ca4cffd9
host-line-mark = 측정 환경: { $grade }

# source: 693c4fcc
table-checks = 이 호스트는 재기에 얼마나 좋은가: { $grade }
# source: b459960e
table-checks-note = 가장 나쁜 등급이 전체 등급이다.
# source: 5023d79d
column-check = 항목
# source: 61b5a8c5
column-grade = 등급
# source: cdabc25b
column-found = 확인한 것
# source: e1587152
column-matters = 왜 중요한지, 어떻게 고치는지
# source: 3ebe30e0
check-name = { $name ->
    [load] 부하
    [governor] 거버너
    [turbo] 터보
    [smt] SMT
    [throttling] 스로틀링
    [power] 전원
    [swap] 스왑
    [steal] 빼앗긴 시간
    [clock] 시계
    [virtualised] 가상화
    [container] 컨테이너
    [kvm] KVM
   *[other] { $name }
}

# source: 02ddc47b
table-measuring = 측정 자체의 비용
# source: 99ce464c
table-measuring-note = null 런타임은 아무것도 하지 않는 샌드박스이다. 다른 샌드박스와 똑같이 관찰하므로, 여기서 나온 시간은 모든 부팅 시간에 들어 있다. 작업 자체의 시계는 첫 작업 단위부터 마지막 단위까지만 돌고 그동안 isobench는 잠들어 있으므로, 연산 값에는 이 비용이 들어가지 않는다.
# source: 4faae533
column-cost = 비용
# source: 89d05d86
column-cost-median = 중앙값
# source: 2e1ed84e
measuring-null = null 런타임: 요청부터 첫 출력까지
# source: 6bce5368
measuring-harness = 시행마다 isobench 자체가 쓴 CPU 시간
# source: 032aea9d
measuring-share = 그 시간이 전체 실행에서 차지하는 몫

# source: 6e54791d
table-trust = 값마다 얼마나 믿을 수 있는가
# source: a1c4bf87
table-trust-note = 흩어짐: 중앙값 절대 편차 ÷ 중앙값. 이상값은 튜키 울타리로 나누어 약한 것 ÷ 심한 것을 센다. 버리지는 않는다. 감지 한계: process와 이만큼 차이가 나면 다섯 번에 네 번은 찾아냈을 것이다. 더 작은 차이는 '잴 수 있는 차이 없음' 뒤에 숨을 수 있다. 변화: 실행하는 동안 수준이 바뀜(페티트 검정, 모든 행에 대해 홀름 방법으로 보정, 5 % 이상).
# source: 56010d38
column-figure = 값
# source: 4467e2a8
column-spread = 흩어짐
# source: 476c7d92
column-outliers = 이상값
# source: 9f79a808
column-detectable = 감지 한계
# source: 33247dd6
column-drift = 변화
# source: f6e410c2
figure-start-up = 부팅 시간
# source: 8f58f602
figure-work = 작업 시간
# source: f8c45969
drift-from = { $trial }번째 시행부터 { $change }
# source: 88fc458a
detectable-from = ≥ { $percent } %
# source: 20c58e74
detectable-detail = { $size } 차이는 보였을 것

# source: 48921fee
table-opinion = 다른 방법으로 구한 부팅 시간
# source: d935ca80
table-opinion-note = 같은 95 % 구간을 세 가지로 구했다. 순서 통계량 사이의 보간(다른 모든 표가 쓰는 방법), 재표본 2,000개로 구한 백분위 부트스트랩, 편향을 보정하고 가속한 부트스트랩(BCa)이다. 서로 많이 다르면 시행이 너무 적은 것이다.
# source: 048fe329
column-order = 순서 통계량
# source: 584eb06b
column-percentile = 백분위 부트스트랩
# source: bc6eca53
column-bca = BCa 부트스트랩

# source: a9ab254b
table-cold = 콜드 스타트
# source: b5ea26db
table-cold-note-files = 차가운 시행 전마다 페이지 캐시에서 버린 것: 프로그램, 샌드박스에 보이는 루트와 파일, 게스트 커널의 페이지(posix_fadvise). 디렉터리 항목과 누군가 매핑한 것은 버리지 않는다. 차갑든 따뜻하든 시행마다 준비를 새로 했다. VMM은 그때 파일을 읽는다. 차가움 ÷ 따뜻함: 준비와 부팅을 합한 시간의 비율, 라운드마다 짝지음.
# source: 9950617a
table-cold-note-host = 차가운 시행 전마다 버린 것: 호스트 전체의 페이지 캐시, 디렉터리 항목, 아이노드(/proc/sys/vm/drop_caches). isobench 자체처럼 누군가 매핑한 것은 버리지 않는다. 차갑든 따뜻하든 시행마다 준비를 새로 했다. VMM은 그때 파일을 읽는다. 차가움 ÷ 따뜻함: 준비와 부팅을 합한 시간의 비율, 라운드마다 짝지음.
# source: 25af4d6e
column-warm = 부팅 시간, 따뜻함
# source: ed9db308
column-cold = 부팅 시간, 차가움
# source: b899c7a4
column-prepare-warm = 준비, 따뜻함
# source: d5e92ee8
column-prepare-cold = 준비, 차가움
# source: 2ea4a2d7
column-cold-ratio = 차가움 ÷ 따뜻함
# source: f2f34f4b
column-dropped = 버린 양

# source: 9ecc66e3
invalid = 무효
