### 시작의 단계마다: 무슨 일이 일어나는지, 왜 그만큼 드는지, 무엇이 그 비용을 없애는지.
### 키는 런타임과 단계의 이름으로 만든다: src/report/phases.rs.

# source: 462c1fce
phase-request = 측정기가 옆에 있는 작은 프로세스인 런처에 샌드박스를 부탁하고 표준 스트림을 넘긴다.
    .why = 두 프로세스가 서로를 깨워야 하므로 그 사이에 스케줄러가 있다. 바쁜 호스트에서는 이것이 대부분이다.
    .removes = 측정기가 샌드박스를 직접 시작하면 된다. isobench는 그렇게 하지 않는다. 측정기의 크기와 스레드가 시작을 늦추지 않고, 측정기가 죽어도 아무것도 남지 않게 하기 위해서다.

# source: 39d4407c
phase-clone = 커널이 새 프로세스를 만든다. 태스크, 신원, 파일과 시그널을 보는 자기 시야가 생긴다.
    .why = 자료 구조를 할당하고 채우며, 새 프로세스가 처음으로 스케줄되어야 한다.
    .removes = 없앨 수 없다. 격리가 없는 프로그램도 프로세스는 있어야 한다. exec까지 메모리를 함께 쓰는 것(CLONE_VFORK)만으로도 페이지 테이블 복사는 아낀다.

# source: c7bb5bc5
phase-container-clone = 호출 하나가 프로세스와 함께 새 네임스페이스(namespace)를 만든다. 프로세스 번호, 마운트, 호스트 이름, IPC, 네트워크, 그리고 루트가 아니면 사용자 네임스페이스이다.
    .why = 네임스페이스 하나하나가 커널 객체의 묶음이다. 네트워크 네임스페이스(루프백 장치, 경로와 방화벽과 소켓의 표)만으로 절반쯤이고, 커널은 호스트 전체에서 이것을 하나씩 차례로 만든다.
    .removes = 벽을 하나 줄이면 된다. --without net이 그 차이를 보여 준다. 네임스페이스를 미리 만들어 두면 시계 밖으로 뺄 수 있지만 메모리를 쓴다.

# source: e7ffc389
phase-standard-streams = 프로그램의 입력, 출력, 오류가 부른 쪽이 준 것으로 바뀐다.
    .why = 파일 기술자에 대한 호출 세 번이다.
    .removes = 없앨 만한 것이 아니다.

# source: a4370614
phase-microvm-standard-streams = 가상 머신의 감시자(VMM) 프로세스를 만들고, 자기 그룹을 이루고, 표준 스트림을 받는다.
    .why = 감시자는 런처의 사본이라 페이지 테이블을 복사하고, 처음 쓸 때마다 폴트가 난다. 그리고 스케줄되어야 한다.
    .removes = 일을 기다리는 감시자를 미리 띄워 두거나, 프로세스 하나에 가상 머신을 여럿 두면 된다. 뒤의 것은 둘 사이의 벽을 약하게 한다.

# source: b59e3e15
phase-exec = 커널이 프로세스의 메모리를 프로그램의 것으로 바꾼다. 파일의 부분들을 매핑하고 스택을 준비한다.
    .why = 옛 메모리를 걷어내고 새로 지으며, 처음 몇 명령이 자기 페이지를 폴트로 불러온다.
    .removes = 없앨 수 없다. 어떤 프로그램이든 한 번은 불러와야 한다. 작고 정적인 프로그램은 더 빨리 불러온다.

# source: 1d4d1a91
phase-container-exec = 자식 프로세스가 컨테이너의 첫 프로세스와 메모리를 함께 쓰다가 프로그램을 실행한다. 첫 프로세스는 남아서 죽은 프로세스를 거둔다.
    .why = 어떤 프로그램이든 드는 비용에 프로세스 하나가 더 든다. pid 네임스페이스의 첫 프로세스에는 프로그램이 모르는 의무가 있다.
    .removes = 프로그램을 첫 프로세스로 실행하면 된다. 그러면 고아 프로세스를 거둘 이가 없고, 처리기가 없는 시그널은 닿지 않는다.

# source: 71da866c
phase-container-make-cgroup = cgroup을 만들고 제한을 적는다.
    .why = 컨트롤러마다 CPU 수만큼 계수기를 할당하고, 제한마다 파일을 하나씩 쓴다.
    .removes = 그룹을 미리, 시계 밖에서 만들면 된다. isobench는 여분을 하나 두므로 이 단계는 거의 보이지 않는다.

# source: 2cb3af2f
phase-container-session = 새 프로세스가 자기 세션을 열고, 런처와 함께 죽겠다고 정한다.
    .why = 짧은 호출 몇 번이다.
    .removes = 없앨 만한 것이 아니다. 이것이 없으면 컨테이너가 부른 쪽의 터미널에 글자를 밀어 넣거나 런처보다 오래 살 수 있다.

# source: 2f7a8cdf
phase-container-cgroup = 프로세스가 cgroup에 들어간다. 이제부터 메모리, CPU 시간, 프로세스 수를 재고 제한한다.
    .why = 프로세스를 옮기려면 모든 그룹에 걸친 잠금을 잡아야 한다. 다른 프로세스가 늦게 옮기면 커널을 몇 밀리초 기다리기도 한다(RCU 유예 기간).
    .removes = 처음부터 그룹 안에서 태어나면 된다(CLONE_INTO_CGROUP). cgroup v2에는 있고 v1에는 없다.

# source: a6a00633
phase-container-cgroup-namespace = 자기 그룹이 자신이 보는 cgroup 트리의 뿌리가 된다.
    .why = 작은 객체 하나이다.
    .removes = 빼면 된다. 그러면 컨테이너가 호스트 트리의 어디에 있는지 읽을 수 있다.

# source: 7214f1b2
phase-container-id-map = 안의 사용자와 그룹 번호를 밖의 다른 번호로 잇는다. 안에서 root여도 밖에서는 특별하지 않다.
    .why = /proc의 파일 둘을 열고 쓴다.
    .removes = 루트로 실행하면 된다. 컨테이너의 가장 좋은 벽을 포기하는 셈이다.

# source: 0a6f5e4c
phase-container-groups = 부른 쪽의 추가 그룹을 버린다.
    .why = 호출 한 번이다.
    .removes = 없앨 수 없다. 남은 그룹은 호스트의 파일을 열어 준다.

# source: 3095eeb5
phase-container-host-name = 컨테이너가 자기 호스트 이름을 갖는다.
    .why = 새 네임스페이스에서 호출 한 번이다.
    .removes = 없앨 만한 것이 아니다.

# source: b52eb2a0
phase-container-mounts = 이제부터 만드는 마운트는 안에만 있고, 호스트의 것은 들어오지 않는다.
    .why = 커널이 복사한 마운트를 모두 훑는다. 호스트에 마운트가 많을수록 오래 걸린다.
    .removes = 호스트의 마운트를 줄이면 된다.

# source: 8d9e1398
phase-container-root = 새 루트 파일 시스템을 마운트한다. 메모리 속의 빈 것이거나, 이미지의 레이어(layer)를 overlayfs로 쌓은 것이다.
    .why = 마운트는 파일 시스템을 여는 일이다. 슈퍼블록, 뿌리 항목, 마운트 트리의 잠금이 든다.
    .removes = 파일 시스템을 미리 준비해 두고 이어 붙이면 된다. 이미지의 레이어는 빈 루트보다 조금 더 들 뿐이다.

# source: 5e8da77e
phase-container-pivot-root = 새 루트가 옛 루트의 자리를 차지한다.
    .why = 마운트 트리를 잠그고, 그 안을 지나는 이들을 기다린다.
    .removes = chroot가 더 싸지만 빠져나올 수 있다.

# source: 94835e1c
phase-container-proc = 이 pid 네임스페이스의 프로세스만 보이는 /proc를 마운트한다.
    .why = 파일 시스템을 열고 첫 항목을 만든다.
    .removes = /proc를 빼면 되지만, 견디는 프로그램이 드물다.

# source: fded569b
phase-container-dev = 해롭지 않은 장치 여섯과 링크 몇 개가 있는 /dev를 만든다.
    .why = 파일을 하나씩 만드는 호출이 십여 번이다.
    .removes = 미리 만든 /dev를 호출 한 번으로 이어 붙이면 된다.

# source: 6904c11e
phase-container-files = 프로그램과 부탁한 파일이 안에 읽기 전용으로 나타난다.
    .why = 파일마다 마운트 한 번과 그것을 굳히는 호출 한 번이 든다.
    .removes = 이미지에 든 프로그램이면 필요 없다.

# source: 49d6240c
phase-container-old-root = 호스트의 옛 루트를 떼어 낸다. 안에서 그리로 돌아갈 길이 없다.
    .why = 복사한 마운트 트리를 하나씩 모두 걷어낸다.
    .removes = 호스트의 마운트를 줄이면 된다.

# source: c601e1d8
phase-container-working-directory = 프로그램의 작업 디렉터리를 만들고 들어간다.
    .why = 폴더마다 호출 한 번이다.
    .removes = 없앨 만한 것이 아니다.

# source: bfe9c0ba
phase-container-no-new-privileges = 이제부터 어떤 프로그램도 실행된다고 권한을 얻지 못한다(setuid).
    .why = 비트 하나이다.
    .removes = 없앨 것이 없다.

# source: 8ea5ac86
phase-container-seccomp = 금지된 시스템 호출에 오류로 답하는 필터를 설치한다.
    .why = 커널이 필터를 검사하고 번역한 뒤, 늘 허용되는 호출을 기억하려고 470개쯤 되는 호출마다 한 번씩 돌려 본다.
    .removes = 필터를 줄이면 된다. isobench의 필터가 이진 트리인 까닭이다. 비교를 줄줄이 늘어놓으면 두 배 걸린다.

# source: a4cf10f1
phase-container-capabilities = root의 모든 권한을 내려놓는다.
    .why = 40개쯤 되는 권한(capability)마다 호출 한 번, 집합에 한 번이다.
    .removes = 버릴 권한이 없는, 루트 아닌 사용자로 시작하면 된다.

# source: 1fa409aa
phase-microvm-map-memory = 게스트 메모리의 주소 공간을 잡고, 게스트가 처음 쓸 것을 매핑한다.
    .why = 커널이 매핑을 만들고, 이미 채운 부분에는 페이지도 만든다.
    .removes = 스냅숏에서 복제하면 된다. 쓰기 전까지 페이지를 함께 쓴다.

# source: 6932b74a
phase-microvm-open-dev-kvm = /dev/kvm을 연다.
    .why = 파일 하나이다.
    .removes = 열린 채로 물려받는 감시자라면 필요 없다.

# source: 98c70af4
phase-microvm-create-vm = KVM이 빈 가상 머신을 만든다.
    .why = 커널이 가상 머신과 게스트용 페이지 테이블, 잠금, 디버그 폴더를 할당한다.
    .removes = 가상 머신을 미리 만들어 두면 된다.

# source: 259f6be8
phase-microvm-memory-slot = 감시자의 메모리 가운데 어디가 게스트의 것인지 KVM에 알린다.
    .why = 슬롯의 페이지마다 장부를 만든다. 가상 머신이 클수록 오래 걸린다. isobench는 32 MiB로 시작하고 게스트가 부탁하면 더한다.
    .removes = 첫 슬롯을 줄이거나 큰 페이지를 쓰면 된다.

# source: f748f104
phase-microvm-create-vcpu = KVM이 가상 CPU를 만든다.
    .why = CPU가 가진 기능마다 상태를 할당한다. 레지스터, 지역 인터럽트, 계수기이다.
    .removes = 가상 머신을 미리 만들어 두면 된다.

# source: f175c910
phase-microvm-cpuid = 가상 CPU에 어떤 기능이 있는지 알린다.
    .why = KVM이 항목마다 검사하고 게스트가 할 수 있는 일을 정한다. 호스트가 무엇을 할 수 있는지 먼저 묻는 것만으로 시작 전체의 3분의 1이 든다. 그래서 isobench는 한 번 묻고 답을 간직한다.
    .removes = 없앨 수 없다. 이것이 없는 CPU는 64비트 모드를 거절한다.

# source: a75110ba
phase-microvm-registers = 게스트가 64비트 모드로 시작하도록 레지스터와 페이지 테이블, 기술자 테이블을 정한다.
    .why = 호출 세 번이다.
    .removes = 없앨 것이 없다. 같은 일을 리얼 모드에서 하는 펌웨어는 몇 밀리초가 걸린다.

# source: 5707a18e
phase-microvm-clock = 게스트가 시각과 새 난수를 받는다.
    .why = 가상 CPU의 계수기를 읽고 페이지 하나에 쓴다.
    .removes = 필요할 때 시각을 묻는 게스트라면 필요 없다.

# source: d6d2354a
phase-microvm-confine = 게스트가 돌기 전에 감시자가 거의 모든 시스템 호출과 모든 권한을 내려놓는다.
    .why = 컨테이너에서처럼 필터를 검사하고 설치한다.
    .removes = 없애고 싶어 할 것이 아니다. 게스트가 첫 벽을 뚫는 날을 위한 두 번째 벽이다.

# source: 3e38ae8c
phase-microvm-run = 게스트가 돈다. 게스트 커널이 시작하고(불러오기는 감시자가 이미 했다) 프로그램에 들어간다. 그다음은 프로그램 자신이다.
    .why = 처음 몇 명령이 만지는 페이지마다 두 겹의 페이지 테이블을 거쳐 폴트가 난다. 소프트웨어 KVM에서는 특권 명령 하나하나를 흉내 내기도 한다.
    .removes = 이미 시작한 게스트의 스냅숏을 쓰면 된다.

# source: d0474489
phase-microvm-report = 프로그램이 끝난 뒤 감시자가 KVM이 센 것을 적는다.
    .why = 계수기 파일을 읽는다.
    .removes = 세지 않으면 된다. 종료한 뒤의 일이라 시작이 느려지지는 않는다.
