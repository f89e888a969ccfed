### isobench maintain이 잰 것.

# source: 86a54e69
maintenance-generated = 만든 이미지, { $size }

# source: d7755b30
maintenance-cause-first = 처음, 전부
# source: 686875e8
maintenance-cause-unchanged = 바뀐 것 없음
# source: 73378f00
maintenance-cause-app-file = 응용 프로그램의 파일 하나
# source: 76265e0c
maintenance-cause-dependency = 의존성 하나
# source: ce1b090f
maintenance-cause-base = 베이스(파일 열에 하나)

# source: 260c77f0
maintenance-form-layers = 레이어
# source: 76542604
maintenance-form-layers-and-above = 레이어와 그 위 전부
# source: 0ca3b93c
maintenance-form-layers-difference = 레이어, 차이만
# source: e162865b
maintenance-form-disk = 디스크 이미지
# source: b85a342b
maintenance-form-disk-compressed = 디스크 이미지, 압축
# source: 2a720705
maintenance-form-disk-difference = 디스크 이미지, 차이만
# source: 249a8fff
maintenance-form-disk-overlay = 오버레이, 4 KiB 블록
# source: eac85f66
maintenance-form-disk-overlay-64k = 오버레이, 64 KiB 클러스터

# source: d9794252
maintenance-strategy-control = 교체 없음
# source: 82449dd9
maintenance-strategy-stop-start = 멈추고 시작
# source: c6cb0013
maintenance-strategy-rolling = 롤링

# source: 62135933
maintenance-column-image = 이미지
# source: c4bdd902
maintenance-column-cause = 바뀌는 것
# source: 4ddb45a0
maintenance-column-form = 형태
# source: 3d1a185f
maintenance-column-files = 파일
# source: a290dde5
maintenance-column-layers = 레이어
# source: 593ddd8f
maintenance-column-disk = 디스크 이미지
# source: 53a85364
maintenance-column-shared = 모두가 공유
# source: 6aefc61d
maintenance-column-each = 하나마다 추가
# source: d0981228
maintenance-column-all = 모두 합쳐
# source: f1ed2af2
maintenance-column-make = 하나 만들기
# source: b0e598d3
maintenance-column-kept = 보관하는 양
# source: 2b5d73c9
maintenance-column-serving = 새 버전이 답함
# source: 94ef351b
maintenance-column-switch = 그중 전환
# source: 2063ae91
maintenance-column-failed = 실패한 요청
# source: a30b4bbf
maintenance-column-outage = 서비스 중단
# source: 7c8836bd
maintenance-column-slowest = 가장 느린 답
# source: aaa47fb5
maintenance-column-kernel = 커널
# source: 2a06d237
maintenance-column-parts = 바꿀 커널 수
# source: 199f5cd8
maintenance-column-at-once = 한꺼번에 멈추는 인스턴스

# source: c3733fe9
maintenance-images = 무엇을 관리했나
# source: c2411c0a
maintenance-images-note = 디스크 이미지는 같은 파일만 담은 파일 시스템이다. 커널도 저널도 없다. 둘을 똑같이 압축했다({ $compression }).
# source: 7de73b44
maintenance-disk-of = 길이 { $size } 중
# source: 10331e64
maintenance-builds = 빌드
# source: 4e46e695
maintenance-builds-note = 이미 아는 레이어라면 빌드는 파일을 읽고 해시만 한다. 디스크 이미지는 언제나 전체를 만든다.
# source: 37379e6b
maintenance-written = { $size } 씀
# source: 446c8060
maintenance-shipments = 변경 배포
# source: 28818c82
maintenance-shipments-note = 이전 버전을 가진 쪽에 보내는 바이트. 차이는 평균 { $chunk } 조각으로 찾는다. “그 위 전부”: 이후 레이어를 모두 새로 만드는 빌더가 보내는 양.
# source: fe34d9f3
maintenance-shipments-caption = 파일이 { $size }인 이미지에서 네트워크로 보내는 바이트. 축은 로그 눈금이다. 빌드가 단계로 나뉘어 있어 레이어는 무엇이 바뀌었는지 안다. 차이는 모든 바이트를 견주어 찾으며, 디스크 이미지에서도 찾을 수 있다.
# source: f83816af
maintenance-prepare = 준비 { $time }
# source: cc495a7a
maintenance-apply = 받기 { $time }
# source: f92e9000
maintenance-storage = 인스턴스 { $count }개의 디스크
# source: 8095fd78
maintenance-storage-note = 인스턴스마다 자기 데이터 { $size }를 쓴다. 레이어는 저장소에 있는 대로, 푼 것과 받은 것을 함께 센다. 시간은 쓰기 전에 인스턴스 몫을 만드는 데 걸린 시간이다.
# source: 381440d1
maintenance-storage-caption = 파일이 { $size }인 이미지, 모든 인스턴스를 합친 양. 컨테이너는 이미지의 파일을 공유한다. 가상 머신은 쓰기 시 복사 오버레이를 쓸 때만 디스크 이미지를 공유하며, 그때는 같은 만큼 공유한다.
# source: e70c7034
maintenance-roll-backs = 이전 버전으로 되돌리기
# source: ffad043e
maintenance-roll-backs-note = 응용 프로그램의 파일 하나를 바꾼 뒤이다. 보관하는 양은 되돌릴 수 있도록 디스크에 두는 양이다.
# source: 9959b5e8
maintenance-replacements = 요청이 오는 동안 인스턴스 교체
# source: ec885751
maintenance-replacements-note = 정해진 시각에 초당 요청 { $rate }개. “새 버전이 답함”은 바뀐 레이어가 도착한 때부터 재며 푸는 시간을 포함한다. 맡을 인스턴스가 없던 요청은 실패이다. 교체 없음: 클라이언트만 있을 때의 값.
# source: b025b6c5
maintenance-replacements-caption = 도착한 요청이 하나도 답을 받지 못한 가장 긴 시간의 중앙값. 교체가 없으면 두 요청 사이의 시간이다.
# source: 1330748e
maintenance-failed-of = 전체 { $requests }개 중 { $failed }개
# source: 2217f2c6
maintenance-kernels = 인스턴스 { $count }개 아래의 커널 패치
# source: 923b068e
maintenance-kernels-note = 모두 살아 있는 동안 인스턴스마다 커널을 물었다. 호스트의 커널은 가상 머신 아래에도 있다. 그것을 바꾸면, 먼저 다른 호스트로 옮기지 않는 한, 가상 머신도 멈춘다.
# source: 02a448e2
maintenance-kernel-hosts = 호스트의 커널, { $count }개 모두의 답
# source: 311dcda4
maintenance-kernel-own = { $count }개 각각에 자기 커널
# source: e9d17869
maintenance-not-measured = 호스트 재시작, 재지 않음
# source: fba65bdd
maintenance-left-out = 재지 못한 것

# source: 61a5efc4
maintenance-say-shipping = { $size } 이미지에서 파일 하나를 바꾸면 레이어로는 { $layers }, 압축한 디스크 이미지로는 { $disk }({ $ratio })를 보낸다. 디스크 이미지의 차이만 보내면 { $difference }이다.
# source: 77ad86b2
maintenance-say-shipping-layers = { $size } 이미지에서 파일 하나를 바꾸면 레이어로 { $layers }를 보낸다.
# source: 36e3a7c8
maintenance-say-storing = 인스턴스 { $count }개가 쓰는 디스크: 레이어 위에서 { $layers }, 디스크 이미지 복사본으로 { $copies }, 디스크 이미지 하나 위의 오버레이로 { $overlays }.
# source: b39278df
maintenance-say-replacing = 인스턴스 교체: { $what }.
# source: f447d62e
maintenance-say-replaced = { $runtime }: 새 버전이 { $time } 뒤에 답한다. 옛것을 먼저 멈추면 요청 { $failed }개, 나중에 멈추면 { $rolling }개가 실패한다
# source: cc4b3502
maintenance-say-kernel = { $shared } 인스턴스 { $count }개 아래의 커널은 호스트의 것 하나이고, 패치하면 모두 멈춘다. { $own }: 패치할 커널이 { $parts }개이고, 한 번에 인스턴스 하나씩 멈춘다.
# source: b531f263
maintenance-say-kernel-shared = { $shared } 인스턴스 { $count }개 아래의 커널은 호스트의 것 하나이고, 패치하면 모두 멈춘다.

# source: 3e54f5d9
maintenance-method = 관리 및 유지 보수: 레이어와 디스크 이미지를 같은 파일로 만들고, 똑같이 압축하고, 같은 파일을 바꾸고, 시간이 되는 만큼 되풀이했다. 중앙값에는 순서 통계량 사이의 정확한 95 % 구간이 붙으며, 6회 미만이면 없다. 값마다 숨기는 것은 isobench 소스의 docs/maintenance.md에 있다.

# source: 8ee73f6f
maintenance-box-layers = { $size } 가운데 파일 하나를 바꾸면 { $layers } 전송
# source: a7da80ac
maintenance-box-disk = 같은 변경을 압축한 디스크 이미지로 { $disk }, 차이로 { $difference } 전송
# source: 01a37ea7
maintenance-box-storage = 인스턴스 { $count }개의 디스크 { $all }
# source: 8f270cbd
maintenance-box-copies = 인스턴스 { $count }개의 디스크: 복사본 { $copies }, 오버레이 { $overlays }
# source: d74c19d1
maintenance-box-replaced = 도착 { $time } 뒤 새 버전이 답한다. 실패한 요청: 먼저 멈추면 { $stopped }개, 롤링이면 { $rolling }개
# source: 2ee7a630
maintenance-box-kernel-hosts = 패치할 커널은 호스트의 것 하나. 한꺼번에 멈추는 인스턴스: { $count }개
# source: 2a732ca5
maintenance-box-kernel-own = 인스턴스 { $count }개 아래 패치할 커널: { $parts }개, 한 번에 인스턴스 하나씩 멈춘다
# source: 92cccc12
maintenance-box-image = 레이어 { $layers }개, { $size }짜리 이미지가 그대로 실행됨
