// A photo by the camera of a laptop. Telephones have a camera program of their own: see `Composer.tsx`.

import { useEffect, useRef, useState } from "react";
import { Dialog } from "./Dialog";
import { CameraSymbol } from "./icons";
import type { Strings } from "./strings";
import { IconButton } from "./TopBar";

interface Props {
  strings: Strings;
  onPhoto: (photo: File) => void;
}

/** Show a button that opens the camera. */
export function CameraButton({ strings, onPhoto }: Props) {
  const [open, setOpen] = useState(false);
  const close = () => setOpen(false);
  return (
    <>
      <IconButton label={strings.pictures.camera} onClick={() => setOpen(true)}>
        <CameraSymbol />
      </IconButton>
      <Dialog
        title={strings.pictures.camera}
        side="middle"
        open={open}
        closeLabel={strings.close}
        onClose={close}
      >
        <Viewfinder
          strings={strings}
          onPhoto={(photo) => {
            onPhoto(photo);
            close();
          }}
        />
      </Dialog>
    </>
  );
}

/** Show what the camera sees. It is open as long as this is shown. */
function Viewfinder({ strings, onPhoto }: Props) {
  const { video, state } = useCamera();
  const take = async () => {
    const { videoWidth, videoHeight } = video.current!;
    const canvas = new OffscreenCanvas(videoWidth, videoHeight);
    canvas.getContext("2d")!.drawImage(video.current!, 0, 0);
    const blob = await canvas.convertToBlob({ type: "image/jpeg", quality: 0.9 });
    onPhoto(new File([blob], strings.pictures.photo, { type: blob.type }));
  };
  if (state === "refused") return <p role="alert">{strings.pictures.noCamera}</p>;
  return (
    <div className="viewfinder">
      <video ref={video} muted playsInline autoPlay aria-label={strings.pictures.viewfinder} />
      <button
        type="button"
        className="approve"
        disabled={state !== "open"}
        onClick={() => void take()}
      >
        {strings.pictures.take}
      </button>
    </div>
  );
}

function useCamera() {
  const video = useRef<HTMLVideoElement>(null);
  const [state, setState] = useState<"opening" | "open" | "refused">("opening");
  useEffect(() => {
    let left = false;
    let stop = () => {};
    const open = async () => {
      const stream = await navigator.mediaDevices.getUserMedia({
        video: { width: { ideal: 1280 }, height: { ideal: 720 } },
      });
      stop = () => stream.getTracks().forEach((track) => track.stop());
      if (left) return stop();
      video.current!.srcObject = stream;
      await video.current!.play();
      setState("open");
    };
    open().catch(() => !left && setState("refused"));
    return () => {
      left = true;
      stop();
    };
  }, []);
  return { video, state };
}
